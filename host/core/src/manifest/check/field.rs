//! The checks of one field.

use super::{ManifestError, at_most, error, expression, hint, identifier, place_of, shown, text};
use crate::manifest::{Field, FieldKind, Manifest, Model, OnDelete, Validator};
use crate::name::check_name;

/// Most choices of one field.
const MAX_CHOICES: usize = 1_000;
/// Most validators of one field.
const MAX_VALIDATORS: usize = 20;
/// The longest regular expression, in bytes.
const MAX_REGEX: usize = 1_000;
/// Most digits of a decimal: what 96 bits hold.
const MAX_DIGITS: u8 = 28;
/// The longest text of limited length, in characters.
const MAX_LENGTH: u32 = 1_000_000;
/// The longest folder for what is handed in, in bytes.
const MAX_FOLDER: usize = 200;

pub(super) fn check(manifest: &Manifest, model: &Model, field: &Field) -> Result<(), ManifestError> {
    let place = &place_of(&model.name, &field.name);
    check_name(&field.name).map_err(|e| error(place, e))?;
    if field.name == "pk" {
        return Err(error(place, "`pk` means the primary key, whatever it is called; call the field something else"));
    }
    text(place, &field.label)?;
    text(place, &field.help_text)?;
    at_most(place, field.choices.len(), MAX_CHOICES)?;
    for choice in &field.choices {
        text(place, &choice.label)?;
    }
    if !field.column.is_empty() {
        identifier(place, "a column", &field.column)?;
    }
    if field.is_automatic_key() {
        if model.fields.iter().position(|other| other.name == field.name) > Some(0)
            && model.fields.first().is_some_and(Field::is_automatic_key)
        {
            return Err(error(place, "is a second primary key that fills itself; a model has one"));
        }
        if field.null || field.default.is_some() || field.db_default.is_some() || field.generated.is_some() {
            return Err(error(place, "is the primary key and can be neither null nor generated nor have a default"));
        }
    }
    check_default(place, field)?;
    check_validators(place, field)?;
    check_kind(place, field)?;
    check_relation(place, manifest, model, field)
}

/// What fills it.
fn check_default(place: &str, field: &Field) -> Result<(), ManifestError> {
    if field.default.as_ref().is_some_and(|d| d.is_array() || d.is_object()) {
        return Err(error(place, "its default must be null, a boolean, a number or a string"));
    }
    let now = field.auto_now || field.auto_now_add;
    let fills =
        [field.default.is_some(), field.db_default.is_some(), field.generated.is_some(), now, field.is_automatic_key()];
    if fills.into_iter().filter(|fills| *fills).count() > 1 {
        return Err(error(
            place,
            "has several of default, db_default, generated, auto_now and auto_now_add, or is a key that fills itself; one \
             of them gives the value",
        ));
    }
    if now && !matches!(field.kind, FieldKind::Date | FieldKind::Time | FieldKind::DateTime) {
        return Err(error(place, "has auto_now or auto_now_add, which is for date, time and datetime"));
    }
    if let Some(json) = &field.db_default {
        expression(place, "its db_default", json)?;
    }
    if let Some(generated) = &field.generated {
        expression(place, "its expression", &generated.expr)?;
        if field.kind.relation().is_some() {
            return Err(error(place, "is a foreign key and can't be generated"));
        }
        if !field.validators.is_empty() {
            return Err(error(place, "is generated, so nobody gives it a value that validators could look at"));
        }
    }
    Ok(())
}

fn check_validators(place: &str, field: &Field) -> Result<(), ManifestError> {
    if field.validators.len() > MAX_VALIDATORS {
        return Err(error(place, format_args!("has more than {MAX_VALIDATORS} validators")));
    }
    let text = matches!(
        field.kind,
        FieldKind::Char { .. }
            | FieldKind::Text
            | FieldKind::Slug { .. }
            | FieldKind::Email { .. }
            | FieldKind::Url { .. }
            | FieldKind::Ip { .. }
            | FieldKind::File { .. }
            | FieldKind::Image { .. }
    );
    let number = matches!(
        field.kind,
        FieldKind::SmallInteger
            | FieldKind::Integer
            | FieldKind::BigInteger
            | FieldKind::PositiveSmallInteger
            | FieldKind::PositiveInteger
            | FieldKind::PositiveBigInteger
            | FieldKind::Float
            | FieldKind::Decimal { .. }
            | FieldKind::Date
            | FieldKind::Time
            | FieldKind::DateTime
            | FieldKind::Duration
    );
    for validator in &field.validators {
        let (fits, what) = match validator {
            Validator::MinValue(_) | Validator::MaxValue(_) | Validator::Step(_) => (number, "numbers and times"),
            Validator::MinLength(_) | Validator::MaxLength(_) => {
                (text || matches!(field.kind, FieldKind::Binary), "texts and bytes")
            }
            Validator::Regex(_) => (text, "texts"),
        };
        if !fits {
            return Err(error(place, format_args!("has the validator `{}`, which is for {what}", validator.word())));
        }
        if let Validator::Regex(pattern) = validator
            && pattern.len() > MAX_REGEX
        {
            let problem = format!("its regex takes {} bytes; the most is {MAX_REGEX}", pattern.len());
            return Err(error(place, problem));
        }
    }
    Ok(())
}

fn check_kind(place: &str, field: &Field) -> Result<(), ManifestError> {
    match &field.kind {
        FieldKind::Char { max_length }
        | FieldKind::Slug { max_length }
        | FieldKind::Email { max_length }
        | FieldKind::Url { max_length }
        | FieldKind::File { max_length, .. }
        | FieldKind::Image { max_length, .. }
            if !(1..=MAX_LENGTH).contains(max_length) =>
        {
            Err(error(place, format_args!("its max_length must be 1 to {MAX_LENGTH}")))
        }
        FieldKind::File { upload_to, .. } | FieldKind::Image { upload_to, .. } => {
            let parts = || upload_to.trim_end_matches('/').split('/');
            if upload_to.is_empty() {
                return Ok(());
            }
            if upload_to.len() > MAX_FOLDER
                || upload_to.contains('\\')
                || upload_to.chars().any(crate::text::is_hidden)
                || parts().any(|part| matches!(part, "" | "." | ".."))
            {
                let problem = format!(
                    "its upload_to must be a relative folder of at most {MAX_FOLDER} bytes, such as `avatars/2026`, without `..`"
                );
                return Err(error(place, problem));
            }
            Ok(())
        }
        FieldKind::Decimal { max_digits, decimal_places } => {
            if !(1..=MAX_DIGITS).contains(max_digits) {
                return Err(error(place, format_args!("its max_digits must be 1 to {MAX_DIGITS}")));
            }
            if decimal_places > max_digits {
                return Err(error(place, "its decimal_places can't be more than its max_digits"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_relation(place: &str, manifest: &Manifest, model: &Model, field: &Field) -> Result<(), ManifestError> {
    let known = |to: &str| {
        manifest.model(to).ok_or_else(|| {
            let hint = hint(to, manifest.models.iter().map(|m| m.name.as_str()));
            error(place, format_args!("points to the unknown model `{}`{hint}", shown(to)))
        })
    };
    let named = |related_name: &str| match related_name {
        "" | "+" => Ok(()),
        name => check_name(name).map_err(|e| error(place, e)),
    };
    let single = |target: &Model| {
        if target.primary_key.len() < 2 {
            return Ok(());
        }
        let problem = format!(
            "points to `{}`, whose primary key has several fields; give that model a key of one field, and make the others \
             unique together",
            shown(&target.name)
        );
        Err(error(place, problem))
    };
    if let Some(relation) = field.kind.relation() {
        single(known(relation.to)?)?;
        named(relation.related_name)?;
        return match relation.on_delete {
            OnDelete::SetNull if !field.null => {
                Err(error(place, "has on_delete `set_null` but is not null-able; set `null`"))
            }
            OnDelete::SetDefault if field.default.is_none() => {
                Err(error(place, "has on_delete `set_default` but no default"))
            }
            _ => Ok(()),
        };
    }
    let FieldKind::ManyToMany { to, through, through_fields, related_name, db_table } = &field.kind else {
        return Ok(());
    };
    named(related_name)?;
    let target = known(to)?;
    single(target)?;
    single(model)?;
    if field.null
        || field.unique
        || field.index
        || !field.column.is_empty()
        || field.default.is_some()
        || field.db_default.is_some()
        || field.generated.is_some()
    {
        let problem = "is a many-to-many relation, which has no column: null, unique, index, column, default and generated \
                       mean nothing there";
        return Err(error(place, problem));
    }
    if !db_table.is_empty() {
        if !through.is_empty() {
            return Err(error(place, "has db_table and through; the model `through` says what its table is called"));
        }
        identifier(place, "a table", db_table)?;
    }
    if through.is_empty() {
        return if through_fields.is_empty() {
            Ok(())
        } else {
            Err(error(place, "has through_fields but no through; name the model whose fields they are"))
        };
    }
    if !matches!(through_fields.len(), 0 | 2) {
        return Err(error(
            place,
            "its through_fields are two: the foreign key to this model, and the one to the other",
        ));
    }
    model.pair(known(through)?, through_fields, to).map(|_| ()).map_err(|problem| error(place, problem))
}

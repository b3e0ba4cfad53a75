//! The checks of models that are another app's, and of what points to them.

use super::{ManifestError, error, place_of, shown};
use crate::manifest::{FieldKind, Manifest, Model, OnDelete};
use crate::name::check_name;

pub(super) fn check(manifest: &Manifest, model: &Model) -> Result<(), ManifestError> {
    let place = format!("model `{}`", shown(&model.name));
    if model.of.is_empty() {
        if !model.actions.is_empty() {
            return Err(error(
                place,
                "has `actions`, which say what is done with another app's model; name that in `of`",
            ));
        }
        return pointing(manifest, model);
    }
    let named = model.shared().is_some_and(|(app, model)| {
        check_name(app).is_ok() && check_name(model).is_ok() && app != manifest.name.as_str()
    });
    if !named {
        let problem = format!(
            "is said to be `{}`; write another app's name and its model, such as `polls.question`",
            shown(&model.of)
        );
        return Err(error(place, problem));
    }
    let owners = [
        ("table", !model.table.is_empty()),
        ("managed", !model.managed),
        ("unique_together", !model.unique_together.is_empty()),
        ("indexes", !model.indexes.is_empty()),
        ("constraints", !model.constraints.is_empty()),
        ("permissions", !model.permissions.is_empty()),
    ];
    if let Some((word, _)) = owners.into_iter().find(|(_, given)| *given) {
        return Err(error(place, format_args!("is another app's, which says what its `{word}` is; leave it out here")));
    }
    for field in &model.fields {
        let place = place_of(&model.name, &field.name);
        if matches!(field.kind, FieldKind::ManyToMany { .. }) {
            let problem = "is a many-to-many relation of another app's model; declare the model of its pairs, `of` that \
                           app as well, and ask over its foreign keys";
            return Err(error(place, problem));
        }
        let Some(target) = field.kind.relation().and_then(|relation| manifest.model(relation.to)) else { continue };
        if target.shared().map(|(app, _)| app) != model.shared().map(|(app, _)| app) {
            let problem = format!(
                "is another app's foreign key, and `{}` is no model of that app; declare the one that it points to with \
                 `of`, or leave the field out",
                shown(&target.name)
            );
            return Err(error(place, problem));
        }
    }
    Ok(())
}

/// What an app's own model may say of another app's rows: nothing that keeps them from being deleted.
fn pointing(manifest: &Manifest, model: &Model) -> Result<(), ManifestError> {
    for field in &model.fields {
        let place = place_of(&model.name, &field.name);
        if let FieldKind::ManyToMany { to, .. } = &field.kind
            && manifest.model(to).is_some_and(|target| !target.of.is_empty())
        {
            let problem = "is a many-to-many relation to another app's model; declare a model of the pairs with a foreign \
                           key to it";
            return Err(error(place, problem));
        }
        let Some(relation) = field.kind.relation() else { continue };
        let Some(target) = manifest.model(relation.to).filter(|target| !target.of.is_empty()) else { continue };
        if relation.db_constraint || relation.on_delete != OnDelete::DoNothing {
            let problem = format!(
                "points to `{}`, which is another app's: its rows come and go as that app likes; set on_delete \
                 `do_nothing` and db_constraint false, and expect that the row may be gone",
                shown(&target.name)
            );
            return Err(error(place, problem));
        }
    }
    Ok(())
}

//! What the derives know of a model when it is compiled: its part of the manifest.

/// The kinds of the manifest (`docs/reference/manifest.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are the manifest's")]
pub enum FieldKind {
    Auto,
    AutoUuid,
    SmallInteger,
    Integer,
    BigInteger,
    PositiveSmallInteger,
    PositiveInteger,
    Float,
    Decimal { max_digits: u32, decimal_places: u32 },
    Boolean,
    Char { max_length: u32 },
    Text,
    Slug { max_length: u32 },
    Email { max_length: u32 },
    Url { max_length: u32 },
    Ip { protocol: &'static str },
    File { max_length: u32, upload_to: &'static str },
    Image { max_length: u32, upload_to: &'static str },
    Binary,
    Date,
    Time,
    DateTime,
    Duration,
    Uuid,
    Json,
    ForeignKey { to: &'static str },
    OneToOne { to: &'static str },
    ManyToMany { to: &'static str, through: &'static str },
}

impl FieldKind {
    /// The manifest's word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            FieldKind::Auto => "auto",
            FieldKind::AutoUuid => "auto_uuid",
            FieldKind::SmallInteger => "small_integer",
            FieldKind::Integer => "integer",
            FieldKind::BigInteger => "big_integer",
            FieldKind::PositiveSmallInteger => "positive_small_integer",
            FieldKind::PositiveInteger => "positive_integer",
            FieldKind::Float => "float",
            FieldKind::Decimal { .. } => "decimal",
            FieldKind::Boolean => "boolean",
            FieldKind::Char { .. } => "char",
            FieldKind::Text => "text",
            FieldKind::Slug { .. } => "slug",
            FieldKind::Email { .. } => "email",
            FieldKind::Url { .. } => "url",
            FieldKind::Ip { .. } => "ip",
            FieldKind::File { .. } => "file",
            FieldKind::Image { .. } => "image",
            FieldKind::Binary => "binary",
            FieldKind::Date => "date",
            FieldKind::Time => "time",
            FieldKind::DateTime => "datetime",
            FieldKind::Duration => "duration",
            FieldKind::Uuid => "uuid",
            FieldKind::Json => "json",
            FieldKind::ForeignKey { .. } => "foreign_key",
            FieldKind::OneToOne { .. } => "one_to_one",
            FieldKind::ManyToMany { .. } => "many_to_many",
        }
    }

    /// Whether rows have a cell for it.
    pub(crate) const fn has_column(self) -> bool {
        !matches!(self, FieldKind::ManyToMany { .. })
    }

    /// The model that it leads to.
    const fn to(self) -> Option<&'static str> {
        match self {
            FieldKind::ForeignKey { to } | FieldKind::OneToOne { to } | FieldKind::ManyToMany { to, .. } => Some(to),
            _ => None,
        }
    }
}

/// Writes a part of the manifest that is made of expressions.
#[doc(hidden)]
pub type Write = fn(&mut Vec<u8>);

/// A model in the manifest.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct ModelMeta {
    pub name: &'static str,
    pub label: &'static str,
    pub label_plural: &'static str,
    pub fields: &'static [FieldMeta],
    /// Empty where the first field is an `Id`.
    pub primary_key: &'static [&'static str],
    /// Empty for the host's own name.
    pub table: &'static str,
    /// The other app's model that it is; empty where it is the app's own.
    pub of: &'static str,
    pub actions: &'static [&'static str],
    pub managed: bool,
    pub ordering: &'static [&'static str],
    pub unique_together: &'static [&'static [&'static str]],
    pub indexes: &'static [&'static [&'static str]],
    /// Indexes of expressions.
    pub more_indexes: &'static [Write],
    pub constraints: &'static [Write],
    /// None for the host's own.
    pub default_permissions: Option<&'static [&'static str]>,
    pub permissions: &'static [(&'static str, &'static str)],
}

impl ModelMeta {
    /// What a model is that says nothing.
    pub const NEW: Self = Self {
        name: "",
        label: "",
        label_plural: "",
        fields: &[],
        primary_key: &[],
        table: "",
        of: "",
        actions: &[],
        managed: true,
        ordering: &[],
        unique_together: &[],
        indexes: &[],
        more_indexes: &[],
        constraints: &[],
        default_permissions: None,
        permissions: &[],
    };

    /// The names of the fields that rows have cells for, in their order.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.fields.iter().filter(|field| field.kind.has_column()).map(|field| field.name)
    }

    /// How many cells a row has.
    pub(crate) const fn width(&self) -> usize {
        let (mut at, mut width) = (0, 0);
        while at < self.fields.len() {
            if self.fields[at].kind.has_column() {
                width += 1;
            }
            at += 1;
        }
        width
    }

    /// Which cell of a row the field is.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns().position(|column| column == name)
    }
}

/// The name of the first field of a model that points to a row of the model `to`.
#[doc(hidden)]
pub const fn pointing_to(between: &ModelMeta, to: &str) -> &'static str {
    let mut at = 0;
    while at < between.fields.len() {
        if let FieldKind::ForeignKey { to: found } | FieldKind::OneToOne { to: found } = between.fields[at].kind
            && crate::view::same(found, to)
        {
            return between.fields[at].name;
        }
        at += 1;
    }
    panic!("the model of `through` has no foreign key to one of both models")
}

/// A field in the manifest.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct FieldMeta {
    pub name: &'static str,
    pub kind: FieldKind,
    pub null: bool,
    pub blank: bool,
    pub unique: bool,
    pub index: bool,
    pub default: Option<Literal>,
    pub db_default: Option<Write>,
    pub choices: &'static [(Literal, &'static str)],
    pub label: &'static str,
    pub help_text: &'static str,
    pub column: &'static str,
    pub editable: bool,
    pub validators: &'static [(&'static str, Literal)],
    pub auto_now: bool,
    pub auto_now_add: bool,
    pub generated: Option<Write>,
    pub stored: bool,
    pub on_delete: &'static str,
    pub related_name: &'static str,
    pub db_constraint: bool,
    pub through_fields: &'static [&'static str],
    pub db_table: &'static str,
}

impl FieldMeta {
    /// What a field is that says nothing.
    pub const NEW: Self = Self {
        name: "",
        kind: FieldKind::Text,
        null: false,
        blank: false,
        unique: false,
        index: false,
        default: None,
        db_default: None,
        choices: &[],
        label: "",
        help_text: "",
        column: "",
        editable: true,
        validators: &[],
        auto_now: false,
        auto_now_add: false,
        generated: None,
        stored: false,
        on_delete: "",
        related_name: "",
        db_constraint: true,
        through_fields: &[],
        db_table: "",
    };
}

/// A value that stands in the manifest.
#[derive(Debug, Clone, Copy, PartialEq)]
#[doc(hidden)]
pub enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    /// As it is written in the source: a number's text is its own, so no float is formatted in the app.
    Float(&'static str),
    Text(&'static str),
}

/// All fields of a model whose fields come from several structs.
#[doc(hidden)]
pub const fn joined<const N: usize>(parts: &[&[FieldMeta]]) -> [FieldMeta; N] {
    let mut all = [FieldMeta::NEW; N];
    let (mut part, mut to) = (0, 0);
    while part < parts.len() {
        let mut at = 0;
        while at < parts[part].len() {
            all[to] = parts[part][at];
            to += 1;
            at += 1;
        }
        part += 1;
    }
    all
}

/// Whether the model has a field of this name, with or without a minus before it.
#[doc(hidden)]
pub const fn has_field(fields: &[FieldMeta], name: &str) -> bool {
    let bare = match name.as_bytes() {
        [b'-', rest @ ..] => rest,
        all => all,
    };
    let mut at = 0;
    while at < fields.len() {
        if crate::view::same_bytes(fields[at].name.as_bytes(), bare) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether each relation leads to a model of the list.
#[doc(hidden)]
pub const fn relations_stay_inside(models: &[&ModelMeta]) -> bool {
    let mut model = 0;
    while model < models.len() {
        let fields = models[model].fields;
        let mut field = 0;
        while field < fields.len() {
            if let Some(to) = fields[field].kind.to()
                && !is_among(models, to)
            {
                return false;
            }
            if let FieldKind::ManyToMany { through, .. } = fields[field].kind
                && !through.is_empty()
                && !is_among(models, through)
            {
                return false;
            }
            field += 1;
        }
        model += 1;
    }
    true
}

const fn is_among(models: &[&ModelMeta], name: &str) -> bool {
    let mut at = 0;
    while at < models.len() {
        if crate::view::same(models[at].name, name) {
            return true;
        }
        at += 1;
    }
    false
}

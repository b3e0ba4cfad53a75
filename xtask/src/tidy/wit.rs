//! Every item of the contract is documented.

use std::fs;

use anyhow::{Context, Result};
use wit_parser::{Docs, TypeDefKind, UnresolvedPackage, UnresolvedPackageGroup};

use crate::run::root;

pub(super) fn check(problems: &mut Vec<String>) -> Result<()> {
    let folder = root().join("wit");
    let mut rooms: Vec<_> = fs::read_dir(&folder)
        .with_context(|| format!("can't list {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    rooms.sort();
    // Vendored packages are documented by their authors.
    for room in rooms.iter().filter(|room| room.is_dir() && !room.ends_with("deps")) {
        let group = UnresolvedPackageGroup::parse_dir(room).with_context(|| room.display().to_string())?;
        check_package(&group.main, problems);
    }
    Ok(())
}

fn check_package(package: &UnresolvedPackage, problems: &mut Vec<String>) {
    let mut require = |docs: &Docs, what: String| {
        if docs.contents.as_deref().is_none_or(|text| text.trim().is_empty()) {
            problems.push(format!(
                "{}: {what} has no `///`: say what it guarantees, its errors and its limits",
                package.name
            ));
        }
    };
    for (_, world) in &package.worlds {
        require(&world.docs, format!("world `{}`", world.name));
    }
    for (_, interface) in &package.interfaces {
        // An interface of another package that is used here has no text here.
        let Some(name) = interface.name.as_deref().filter(|_| interface.package.is_none()) else { continue };
        if interface.functions.is_empty() && interface.docs.contents.is_none() && is_foreign(package, name) {
            continue;
        }
        require(&interface.docs, format!("interface `{name}`"));
        for (function, item) in &interface.functions {
            require(&item.docs, format!("`{name}`, function `{function}`"));
        }
        for (kind, id) in &interface.types {
            let item = &package.types[*id];
            let place = format!("`{name}`, type `{kind}`");
            match &item.kind {
                // A name taken from elsewhere.
                TypeDefKind::Type(wit_parser::Type::Id(_)) | TypeDefKind::Unknown => continue,
                TypeDefKind::Record(record) => {
                    for field in &record.fields {
                        require(&field.docs, format!("{place}, field `{}`", field.name));
                    }
                }
                TypeDefKind::Variant(variant) => {
                    for case in &variant.cases {
                        require(&case.docs, format!("{place}, case `{}`", case.name));
                    }
                }
                TypeDefKind::Enum(list) => {
                    for case in &list.cases {
                        require(&case.docs, format!("{place}, case `{}`", case.name));
                    }
                }
                TypeDefKind::Flags(flags) => {
                    for flag in &flags.flags {
                        require(&flag.docs, format!("{place}, flag `{}`", flag.name));
                    }
                }
                _ => {}
            }
            require(&item.docs, place);
        }
    }
}

fn is_foreign(package: &UnresolvedPackage, name: &str) -> bool {
    package.foreign_deps.values().any(|interfaces| interfaces.contains_key(name))
}

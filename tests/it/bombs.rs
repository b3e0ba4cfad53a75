//! Components that are small as files and large in every other way, made when they are wanted.

use std::fmt::Write as _;

use crate::forge::{MANIFEST, component};

/// A function whose variables all change in the innermost of many loops, so that each loop carries each of them: a
/// compiler's work grows with the product. 2,000 times 2,000 is a file of some 30 KB.
pub(crate) fn loops(variables: u32, depth: u32) -> Vec<u8> {
    let mut body = String::from("(func $bomb (param i32)");
    for _ in 0..variables {
        body.push_str(" (local i64)");
    }
    body.push('\n');
    for _ in 0..depth {
        body.push_str("loop\n");
    }
    for variable in 1..=variables {
        let next = variable % variables + 1;
        let _ = writeln!(body, "local.get {next} i64.const 1 i64.add local.set {variable}");
    }
    for _ in 0..depth {
        body.push_str("local.get 0 br_if 0 end\n");
    }
    body.push(')');
    component(&body, MANIFEST).expect("a valid component")
}

/// A function that branches to one of `count` places, nested in one another: 60,000 are a file of 860 KB and take half a
/// minute.
pub(crate) fn branches(count: u32) -> Vec<u8> {
    let mut body = String::from("(func $bomb (param i32) (result i32)\n");
    for _ in 0..count {
        body.push_str("block\n");
    }
    body.push_str("local.get 0 br_table");
    for target in 0..count {
        let _ = write!(body, " {target}");
    }
    for place in 0..count {
        let _ = write!(body, "\nend local.get 0 i32.const {place} i32.add local.set 0");
    }
    body.push_str("\nlocal.get 0)");
    component(&body, MANIFEST).expect("a valid component")
}

/// A component that makes `count` instances of a module with a memory of its own.
pub(crate) fn instances(count: u32) -> Vec<u8> {
    let mut text = String::from("(component (core module $m (memory 1))\n");
    for _ in 0..count {
        text.push_str("(core instance (instantiate $m))\n");
    }
    text.push(')');
    wat::parse_str(text).expect("a valid component")
}

/// Components inside components: each instantiates the one inside it twice, so that the instances double with each level.
pub(crate) fn doubling(levels: u32) -> Vec<u8> {
    let mut text = String::from("(component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))");
    for level in 1..=levels {
        let inner = level - 1;
        text = format!(
            "(component $c{level} {text} (instance (instantiate $c{inner})) (instance (instantiate $c{inner})))"
        );
    }
    wat::parse_str(text).expect("a valid component")
}

/// A type that doubles with each level: 60 levels would be 2^60 fields if anybody wrote them out.
pub(crate) fn types(levels: u32) -> Vec<u8> {
    let mut text = String::from("(component (type $t0 (tuple u8 u8))\n");
    for level in 1..=levels {
        let inner = level - 1;
        let _ = writeln!(text, "(type $t{level} (tuple $t{inner} $t{inner}))");
    }
    let _ = write!(text, "(import \"a\" (func (param \"a\" $t{levels}))))");
    wat::parse_str(text).expect("text that can be encoded")
}

//! Changes of a JSON document that leave it a document: parts are taken from elsewhere in it, or from the seeds.

use std::sync::LazyLock;

use libfuzzer_sys::fuzzer_mutate;
use serde_json::Value;

/// Parts of the seeds, to put in place of others.
static PARTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut parts = Vec::new();
    for line in include_str!("../seeds/shapes.txt").lines() {
        if let Ok(document) = serde_json::from_str(line) {
            collect(&document, &mut parts);
        }
    }
    parts
});

fn collect(node: &Value, parts: &mut Vec<Value>) {
    parts.push(node.clone());
    match node {
        Value::Array(entries) => entries.iter().for_each(|entry| collect(entry, parts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, parts)),
        _ => {}
    }
}

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        // Knuth's constants; any will do.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % most.max(1)
    }
}

fn count(node: &Value) -> usize {
    1 + match node {
        Value::Array(entries) => entries.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

fn at<'v>(node: &'v mut Value, number: &mut usize) -> Option<&'v mut Value> {
    if *number == 0 {
        return Some(node);
    }
    *number -= 1;
    match node {
        Value::Array(entries) => entries.iter_mut().find_map(|entry| at(entry, number)),
        Value::Object(members) => members.values_mut().find_map(|member| at(member, number)),
        _ => None,
    }
}

fn change(document: &mut Value, random: &mut Random) {
    let part = match random.below(3) {
        // From the document itself.
        0 => {
            let mut number = random.below(count(document));
            at(&mut document.clone(), &mut number).map(|node| node.clone())
        }
        _ => PARTS.get(random.below(PARTS.len())).cloned(),
    };
    let Some(part) = part else { return };
    let mut number = random.below(count(document));
    let Some(node) = at(document, &mut number) else { return };
    match (random.below(4), node) {
        (0, Value::Array(entries)) if entries.len() < 20 => {
            let place = random.below(entries.len() + 1);
            entries.insert(place, part);
        }
        (1, Value::Array(entries)) if !entries.is_empty() => {
            entries.remove(random.below(entries.len()));
        }
        (0 | 1, Value::Object(members)) if members.len() < 12 => {
            const NAMES: [&str; 16] = [
                "filter",
                "order",
                "fields",
                "related",
                "annotate",
                "group",
                "limit",
                "offset",
                "distinct",
                "with",
                "combine",
                "set",
                "returning",
                "on_conflict",
                "lock",
                "explain",
            ];
            members.insert(NAMES[random.below(NAMES.len())].to_owned(), part);
        }
        (2, Value::Object(members)) if members.len() > 1 => {
            let name = members.keys().nth(random.below(members.len())).cloned();
            name.map(|name| members.shift_remove(&name));
        }
        (_, node) => *node = part,
    }
}

/// Changes what stands before the first zero byte as a document, or all of it as bytes. Returns the new length.
pub fn mutate(data: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    let mut random = Random(seed.into());
    let end = data[..size].iter().position(|byte| *byte == 0).unwrap_or(size);
    let document = serde_json::from_slice::<Value>(&data[..end]).ok().filter(|_| random.below(8) > 0);
    let Some(mut document) = document else { return fuzzer_mutate(data, size, most) };
    if end < size && random.below(4) == 0 {
        // The values behind it.
        let length = fuzzer_mutate(&mut data[end + 1..], size - end - 1, most - end - 1);
        return end + 1 + length;
    }
    for _ in 0..=random.below(3) {
        change(&mut document, &mut random);
    }
    let text = document.to_string();
    let rest = data[end..size].to_vec();
    if text.len() + rest.len() > most {
        return fuzzer_mutate(data, size, most);
    }
    data[..text.len()].copy_from_slice(text.as_bytes());
    data[text.len()..text.len() + rest.len()].copy_from_slice(&rest);
    text.len() + rest.len()
}

//! What an app's author sees when something is wrong: one file for each mistake, with the error at its place.
//!
//! In the files `used_…` an app speaks of what is wrong, most of them around `used/library.rs`: it adds no errors to the mistake's own.

#[test]
fn mistakes_are_told_at_their_place() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/pass/*.rs");
}

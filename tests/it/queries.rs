//! The SDK's queries against a real database: what `docs/how-to/query.md` shows, as the guest `queries` plays it.

use host_core::budget::Limits;
use serde_json::{Value, json};

use crate::site::TestSite;

async fn filled() -> TestSite {
    let site = TestSite::with_patient_transactions().await;
    site.load_guest("queries", Limits { wall_ms: 30_000, cpu_ms: 30_000, db_ms: 30_000, ..Limits::default() }).await;
    let filled = site.post("/queries/fill/", "").await;
    assert_eq!(filled.status, 200, "{}", filled.text());
    assert_eq!(read(&filled.text()), json!([3, 3, 6, "9.99", "A novel", true]));
    site
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn asked(site: &TestSite, name: &str) -> Value {
    let answer = site.get(&format!("/queries/{name}/")).await;
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    read(&answer.text())
}

async fn done(site: &TestSite, name: &str) -> Value {
    let answer = site.post(&format!("/queries/{name}/"), "").await;
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    read(&answer.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_are_read_as_their_types_say() {
    let site = filled().await;
    assert_eq!(
        asked(&site, "functions").await,
        json!([
            [
                ["emma/A Novel", 8, "10", "19.9800", 1, 400, "few", "A Novel"],
                ["persuasion/", 20, "13", "25.0000", 0, 1000, "none", "-"],
                ["jane eyre/", 18, "8", "16.0000", 2, 900, "many", "-"],
                ["poems/", 10, "5", "9.0000", 0, 500, "few", "-"],
            ],
            [[12, "1775-01-01", "1775-12-19", 7]],
            ["Emma"],
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_find_what_they_say() {
    let site = filled().await;
    assert_eq!(
        asked(&site, "conditions").await,
        json!([
            "jane-eyre",
            "jane-eyre poems",
            "jane-eyre",
            "persuasion poems",
            "poems",
            "emma",
            "poems",
            "persuasion poems",
            "persuasion jane-eyre poems",
            "",
            2,
            ["Austen", "Brontë"],
            1,
            ["Brontë"],
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_groups_and_windows_add_up() {
    let site = filled().await;
    assert_eq!(
        asked(&site, "aggregates").await,
        json!([
            [4, 9, "34.99", 8.7475, "Poems"],
            [["Austen", [2, "22.49", 3]], ["Brontë", [2, "12.50", 6]]],
            [["novel", 3], ["poems", 1]],
            [
                [["Austen", false], [1, "Emma"]],
                [["Austen", true], [1, "Persuasion"]],
                [["Brontë", true], [2, "Jane Eyre, Poems"]],
            ],
            [
                ["emma", 2, 3, null],
                ["persuasion", 1, 3, "emma"],
                ["jane-eyre", 1, 8, "persuasion"],
                ["poems", 2, 9, "jane-eyre"],
            ],
            [["Austen", "Persuasion"], ["Brontë", "Jane Eyre"]],
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relations_lead_on_from_wherever_one_is() {
    let site = filled().await;
    assert_eq!(
        asked(&site, "paths").await,
        json!([
            "Austen Brontë",
            "Brontë",
            "Austen",
            "Brontë",
            "Brontë",
            "Austen Brontë",
            "Austen",
            "love",
            "love",
            "moor sea",
            1,
            2,
            [["Austen", [1, 1, 7, "love"]], ["Brontë", [2, 0, null, "moor"]]],
            [[2, 0, "22.49", null, "Persuasion", 7], [2, 1, "12.50", 8.0, "Poems", 0]],
            "Brontë",
            "Austen Brontë",
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_groups_and_sets_of_relations_are_asked_like_rows() {
    let site = filled().await;
    assert_eq!(
        asked(&site, "columns").await,
        json!([
            [-16, -16, 16, "1775-11-30"],
            4,
            [4, 2],
            [true, false],
            2,
            0,
            false,
            true,
            ["novel", 3],
            false,
            "emma=3 persuasion=0 jane-eyre=5 poems=1",
            [true, true],
            [2, "moor"],
            ["love"],
            1,
            [["love", 2], ["moor", 1]],
            2,
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_are_written_whichever_fields_each_sets() {
    let site = filled().await;
    assert_eq!(
        done(&site, "many").await,
        json!([
            2100,
            1200,
            300,
            true,
            1500,
            [[[null, "novel", 2], 500], [[null, "poems", 2], 500], [["A novel", "novel", 8], 500]],
            1500,
            true,
            2090,
            701,
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_trees_and_pieces() {
    let site = filled().await;
    assert_eq!(
        asked(&site, "sets").await,
        json!([
            "jane-eyre persuasion poems",
            "emma poems",
            [["dear", 1], ["cheap", 3]],
            "poems",
            "persuasion",
            ["Poems", "Persuasion", "Jane Eyre", "Emma"],
            "Brontë",
            ["emma", "jane-eyre"],
            ["emma", "poems"],
            [1, 2, 3],
            [1, 2, 3],
            7,
            1,
            true,
            0,
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relations_lead_both_ways() {
    let site = filled().await;
    assert_eq!(
        asked(&site, "relations").await,
        json!([
            [
                ["Austen", "of Austen", "Emma", ["love"], true],
                ["Austen", "of Austen", "Persuasion", [], true],
                ["Brontë", null, "Jane Eyre", ["love", "moor"], true],
                ["Brontë", null, "Poems", [], true],
            ],
            [["love", 2], ["moor", 1], ["sea", 0]],
            "Brontë",
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_of_ones_own_reads_and_writes() {
    let site = filled().await;
    assert_eq!(
        done(&site, "raw").await,
        json!([
            ["Persuasion", "Jane Eyre", "Poems"],
            3,
            ["4", "true", "Poems"],
            ["Emma", "Austen"],
            1,
            0,
            true,
            "invalid-sql",
            true
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_stream_is_not_taken_for_the_whole() {
    let site = filled().await;
    let whole = site.raw_get("/queries/export/").await;
    assert!(whole.contains("Emma\n") && whole.contains("Poems\n") && whole.ends_with("0\r\n\r\n"), "{whole}");
    let half = site.raw_get("/queries/export-half/").await;
    assert!(half.contains("transfer-encoding: chunked") && !half.ends_with("0\r\n\r\n"), "{half}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_meet_what_is_there() {
    let site = filled().await;
    assert_eq!(done(&site, "write").await, json!([1, 2, "sea", false, true, "Emma II", 28, false, 3, 422, 422, 1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_happen_on_commit_happens_once_it_is_final() {
    let site = filled().await;
    assert_eq!(
        done(&site, "transactions").await,
        json!([[2, true, 1, true], true, ["at_once", "hook_one", "love", "moor", "one"]])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_without_a_model_for_them_are_told_where_it_belongs() {
    let site = filled().await;
    let told = done(&site, "unlisted").await.to_string();
    assert!(told.contains("add it to `models` in `app!`"), "{told}");
}

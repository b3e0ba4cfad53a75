//! An app that uses another app's models: `branch` those of `queries`.

use host_core::access::{Action, Fact, ModelGrant, ModelGrants, Must};
use host_core::budget::Limits;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::site::{Mounted, TestSite, guest};

fn limits() -> Limits {
    Limits { wall_ms: 30_000, cpu_ms: 30_000, db_ms: 30_000, ..Limits::default() }
}

fn books(grant: ModelGrant) -> ModelGrants {
    let author = ModelGrant { fields: only(&["id", "last_name"]), ..ModelGrant::of([Action::View]) };
    [("queries.author".to_owned(), author), ("queries.book".to_owned(), grant)].into_iter().collect()
}

fn only(fields: &[&str]) -> Option<Vec<String>> {
    Some(fields.iter().map(|field| (*field).to_owned()).collect())
}

async fn load_branch(site: &TestSite, models: ModelGrants) {
    let mounted = Mounted { models, ..Mounted::at("/branch/", limits()) };
    // Rules can't bind SQL of an app's own.
    let grants = [host_core::grants::Capability::Db].into_iter().collect();
    site.load_as("branch", guest("branch"), Mounted { grants, ..mounted }).await.expect("it is sound");
}

async fn load_queries(site: &TestSite) {
    site.load_guest("queries", limits()).await;
    assert_eq!(site.post("/queries/fill/", "").await.status, 200);
}

fn read(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_reads_and_changes_what_it_was_granted_and_nothing_else() {
    let site = TestSite::with_patient_transactions().await;
    load_queries(&site).await;
    let grant = ModelGrant {
        fields: only(&["id", "title", "slug", "author", "copies"]),
        writes: only(&["copies"]),
        ..ModelGrant::of([Action::View, Action::Change])
    };
    load_branch(&site, books(grant)).await;
    let lines = json!(["Emma by Austen: 3", "Persuasion by Austen: 0", "Jane Eyre by Brontë: 5", "Poems by Brontë: 1"]);
    assert_eq!(read(&site.get("/branch/").await), lines);
    assert_eq!(read(&site.post("/branch/lend/emma/", "").await), json!(1));
    assert_eq!(read(&site.post("/branch/lend/persuasion/", "").await), json!(0), "there is none");
    assert_eq!(read(&site.post("/branch/mark/emma/", "").await), json!([["in Emma"], 1]));
    let refused = site.post("/branch/rename/", "").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("no grant lets this one set it"), "{}", refused.text());
    let says = "list it in `writes` of [apps.branch.models.&quot;queries.book&quot;]";
    assert!(refused.text().contains(says), "{}", refused.text());
    let refused = site.post("/branch/remove/", "").await;
    assert!(refused.text().contains("no grant lets this one delete it"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grant_it_runs_and_says_what_is_missing() {
    let site = TestSite::with_patient_transactions().await;
    load_queries(&site).await;
    load_branch(&site, ModelGrants::default()).await;
    let refused = site.get("/branch/").await;
    assert_eq!(refused.status, 403);
    let says = "models.&quot;queries.author&quot; = { actions = [&quot;view&quot;], fields = [&quot;id&quot;, &quot;last_name&quot;] }";
    assert!(refused.text().contains(says), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_app_may_come_later() {
    let site = TestSite::with_patient_transactions().await;
    load_branch(&site, books(ModelGrant::of([Action::View]))).await;
    let refused = site.get("/branch/").await;
    assert!(refused.status == 403 && refused.text().contains("no app `queries`"), "{}", refused.text());
    load_queries(&site).await;
    assert_eq!(read(&site.get("/branch/").await).as_array().map(Vec::len), Some(4));
    // It goes, and its rows are there all the same.
    assert!(site.site.remove(&host_core::name::AppId::new("queries").expect("a name")).await);
    assert_eq!(read(&site.get("/branch/").await).as_array().map(Vec::len), Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_ask_the_request_for_the_sites_name() {
    let site = TestSite::with_patient_transactions().await;
    load_queries(&site).await;
    load_branch(&site, books(ModelGrant::of([Action::View, Action::Change]))).await;
    // A book that is called like the site.
    assert_eq!(read(&site.post("/branch/call/persuasion/localhost/", "").await), json!(1));
    let rows = [("slug".to_owned(), Must::Fact(Fact::Host))].into_iter().collect();
    load_branch(&site, books(ModelGrant { rows, ..ModelGrant::of([Action::View]) })).await;
    assert_eq!(read(&site.get("/branch/").await), json!(["Persuasion by Austen: 0"]));
    let rows = [("slug".to_owned(), Must::Be(vec!["emma".into(), "poems".into()]))].into_iter().collect();
    load_branch(&site, books(ModelGrant { rows, ..ModelGrant::of([Action::View]) })).await;
    assert_eq!(read(&site.get("/branch/").await), json!(["Emma by Austen: 3", "Poems by Brontë: 1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_that_cant_be_held_to_are_refused_at_load() {
    let site = TestSite::with_patient_transactions().await;
    let rows = [("slug".to_owned(), Must::Fact(Fact::Host))].into_iter().collect();
    let ruled = books(ModelGrant { rows, ..ModelGrant::of([Action::View]) });
    for (models, says) in [
        (ruled, "take `db-raw` from its grants"),
        (books(ModelGrant::of([Action::Delete])), "grants `delete` without `view`"),
        (books(ModelGrant::default()), "grants nothing"),
    ] {
        let mounted = Mounted { models, ..Mounted::at("/branch/", limits()) };
        let error = site.load_as("branch", guest("branch"), mounted).await.expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
    }
}

//! Components that break the contract's binary form: `tests/cases/abi`.

use crate::forge;
use crate::site::{TestSite, logged, tight};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_broken_component_gets_its_answer_and_its_neighbour_keeps_answering() {
    let site = TestSite::start().await;
    site.load_guest("good", host_core::budget::Limits::default()).await;
    let mut wrong = Vec::new();
    for case in forge::cases("abi") {
        let loaded = site.load("forged", case.component, tight()).await;
        match (&loaded, &case.refused) {
            (Ok(_), None) => {}
            (Err(error), Some(words)) if error.to_string().contains(words.as_str()) => {}
            (Err(error), Some(words)) => wrong.push(format!("{}: `{error}` doesn't say `{words}`", case.name)),
            (Err(error), None) => wrong.push(format!("{}: was refused: {error}", case.name)),
            (Ok(_), Some(_)) => wrong.push(format!("{}: was loaded", case.name)),
        }
        let mut id = String::new();
        for (method, path, statuses) in case.requests.iter().filter(|_| loaded.is_ok()) {
            let path = format!("/forged{path}");
            let answer = match method.as_str() {
                "POST" => site.post(&path, "").await,
                _ => site.get(&path).await,
            };
            id = answer.id();
            if !statuses.contains(&answer.status.as_u16()) {
                let log = crate::site::lines(&id).join("\n");
                wrong.push(format!("{}: {method} {path} is {}, not {statuses:?}\n{log}", case.name, answer.status));
            }
        }
        for words in &case.logged {
            if let Err(missing) = logged(&id, words).await {
                wrong.push(format!("{}: {missing}", case.name));
            }
        }
        let neighbour = site.get("/good/").await;
        if neighbour.status != 200 {
            wrong.push(format!("{}: the good app answers {}", case.name, neighbour.status));
        }
        // So that the next case's circuit breaker is a new one.
        if let Ok(loaded) = loaded {
            site.site.remove(&loaded.app).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

//! Host calls without end, and single ones that are too large.

use std::hint::black_box;

use glue::{Response, environment, log, queries, request, text, urls};

pub fn log() -> ! {
    loop {
        log::log(log::Level::Error, "the disk is full of this line, and it is a long one to fill the disk sooner");
    }
}

pub fn header() -> ! {
    loop {
        black_box(request::header("user-agent"));
    }
}

pub fn headers() -> ! {
    loop {
        black_box(request::headers());
    }
}

pub fn now() -> ! {
    loop {
        black_box(environment::now());
    }
}

pub fn random() -> ! {
    loop {
        black_box(environment::random(1_024));
    }
}

pub fn reverse() -> ! {
    loop {
        black_box(urls::reverse("hostile:nothing", &[]).is_ok());
    }
}

/// Ends at the first error and answers its code.
pub async fn fetch() -> Response {
    loop {
        let shape = br#"{"v":1,"from":"row","limit":100}"#.to_vec();
        if let Err(error) = queries::fetch(glue::db::Statement { shape, params: vec![] }).await {
            return text(200, format!("{}\n", error.code));
        }
    }
}

/// Asks for more chance than there is in one call.
pub fn random_too_much() -> Response {
    text(200, format!("{} bytes\n", environment::random(u32::MAX).len()))
}

/// Logs the body as one line.
pub fn log_line(line: &[u8]) -> Response {
    log::log(log::Level::Info, &String::from_utf8_lossy(line));
    text(200, "logged\n")
}

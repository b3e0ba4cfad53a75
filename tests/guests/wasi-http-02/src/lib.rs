//! A component of the standard world `wasi:http/proxy@0.2`: text for GET, the body back for POST, and a path that
//! never answers.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::StreamError;

struct Standard;

wasip2::http::proxy::export!(Standard);

impl Guest for Standard {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        if path.ends_with("/loop/") {
            spin();
        }
        if path.ends_with("/trap/") {
            panic!("told to");
        }
        let headers = Fields::from_list(&[("content-type".into(), b"text/plain".to_vec())]);
        let response = OutgoingResponse::new(headers.unwrap_or_else(|_| Fields::new()));
        let Ok(body) = response.body() else { return };
        ResponseOutparam::set(answer, Ok(response));
        let Ok(output) = body.write() else { return };
        match request.method() {
            Method::Post => {
                if let Ok(incoming) = request.consume()
                    && let Ok(input) = incoming.stream()
                {
                    // Ends with `Closed`, by either side.
                    while !matches!(
                        output.blocking_splice(&input, 65_536),
                        Err(StreamError::Closed | StreamError::LastOperationFailed(_))
                    ) {}
                }
            }
            _ => {
                let _ = output.blocking_write_and_flush(format!("Hello from wasi:http 0.2 at {path}\n").as_bytes());
            }
        }
        drop(output);
        let _ = OutgoingBody::finish(body, None);
    }
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

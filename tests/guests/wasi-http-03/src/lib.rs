//! A component of the standard world `wasi:http/service@0.3`: text for GET, the body back for POST, and a path that
//! never answers.

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Standard;

wasip3::http::service::export!(Standard);

impl Guest for Standard {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        if path.ends_with("/loop/") {
            spin();
        }
        if path.ends_with("/trap/") {
            panic!("told to");
        }
        let headers = Fields::from_list(&[("content-type".into(), b"text/plain".to_vec())])
            .map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
        if matches!(request.get_method(), Method::Post) {
            let (taken, whether_taken) = wit_future::new(|| Ok(()));
            let (body, trailers) = Request::consume_body(request, whether_taken);
            drop(taken);
            let (response, _sent) = Response::new(headers, Some(body), trailers);
            return Ok(response);
        }
        let (mut writer, body) = wit_stream::new();
        let (no_trailers, trailers) = wit_future::new(|| Ok(None));
        drop(no_trailers);
        let (response, _sent) = Response::new(headers, Some(body), trailers);
        wit_bindgen::spawn_local(async move {
            writer.write_all(format!("Hello from wasi:http 0.3 at {path}\n").into_bytes()).await;
        });
        Ok(response)
    }
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

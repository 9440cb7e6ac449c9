//! Bodies and trailers: as a whole, in pieces, and in part.

use super::*;

fn mode(request: BodyMode, response: BodyMode) -> ProcessingMode {
    ProcessingMode { request_body: request, response_body: response, ..ProcessingMode::default() }
}

fn body(mutation: pb::body_mutation::Mutation) -> pb::CommonResponse {
    pb::CommonResponse { body_mutation: Some(pb::BodyMutation { mutation: Some(mutation) }), ..Default::default() }
}

fn replaced(octets: &str) -> pb::CommonResponse {
    body(pb::body_mutation::Mutation::Body(octets.as_bytes().to_vec()))
}

/// Bodies that were told: octets, and whether they were the end.
fn bodies(told: &Told) -> Vec<(String, bool)> {
    let text = |body: &pb::HttpBody| (String::from_utf8_lossy(&body.body).into_owned(), body.end_of_stream);
    let told = told.borrow();
    let all = told.iter().filter_map(|one| match &one.request {
        Some(Asks::RequestBody(body) | Asks::ResponseBody(body)) => Some(text(body)),
        _ => None,
    });
    all.collect()
}

/// Bodies become upper case, with a mark.
fn shouts(asks: &Asks) -> Does {
    let loud = |body: &pb::HttpBody| {
        let mut octets = body.body.to_ascii_uppercase();
        octets.push(b'!');
        body_response(&String::from_utf8_lossy(&octets))
    };
    Does::Says(vec![says(match asks {
        Asks::RequestHeaders(_) => Says::RequestHeaders(headers(changes(vec![], &["content-length"]))),
        Asks::ResponseHeaders(_) => Says::ResponseHeaders(headers(changes(vec![], &["content-length"]))),
        Asks::RequestBody(body) => Says::RequestBody(loud(body)),
        Asks::ResponseBody(body) => Says::ResponseBody(loud(body)),
        other => yes(other),
    })])
}

fn body_response(octets: &str) -> pb::BodyResponse {
    pb::BodyResponse { response: Some(replaced(octets)) }
}

#[test]
fn whole_bodies_are_told_and_replaced() {
    run(async {
        let config = config(|config| config.mode = mode(BodyMode::Buffered, BodyMode::Buffered));
        let (mut bench, _world, told) = processor(config, shouts).await;
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &["fi", "ne"]) });
        let outcome = bench.send_pieces(post("/"), &["he", "llo"]).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (200, "FINE!"));
        assert_eq!(text(&bench.app_saw()), "HELLO!");
        assert_eq!(bodies(&told), [("hello".to_owned(), true), ("fine".to_owned(), true)]);
        assert_eq!(bench.stat("http.test.ext_proc.streams_closed"), 1);
    });
}

#[test]
fn pieces_are_told_one_after_the_other() {
    run(async {
        let config = config(|config| config.mode = mode(BodyMode::Streamed, BodyMode::Streamed));
        let (mut bench, _world, told) = processor(config, shouts).await;
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &["fine"]) });
        let outcome = bench.send_pieces(post("/"), &["he", "llo"]).await;
        assert_eq!(outcome.body(), "FINE!!");
        assert_eq!(text(&bench.app_saw()), "HE!LLO!!");
        let told = bodies(&told);
        assert_eq!(told[..3], [("he".to_owned(), false), ("llo".to_owned(), false), (String::new(), true)]);
        assert_eq!(told.last(), Some(&(String::new(), true)));
        assert_eq!(bench.stat("http.test.ext_proc.streams_closed"), 1);
    });
}

#[test]
fn a_body_that_is_too_long_is_refused_or_told_in_part() {
    run(async {
        let long: &'static str = Box::leak("x".repeat(300_000).into_boxed_str());
        let whole = config(|config| config.mode = mode(BodyMode::Buffered, BodyMode::None));
        let (mut bench, _world, told) = processor(whole, agrees).await;
        bench.buffer_limit = 1024;
        let outcome = bench.send_pieces(post("/"), &[long, long]).await;
        assert_eq!((outcome.status(), outcome.details()), (413, "request_payload_too_large"));
        assert!(bodies(&told).is_empty());

        let part = config(|config| config.mode = mode(BodyMode::BufferedPartial, BodyMode::None));
        let (mut bench, _world, told) = processor(part, shouts).await;
        bench.buffer_limit = 1024;
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &[]) });
        assert_eq!(bench.send_pieces(post("/"), &[long, "tail"]).await.status(), 200);
        let seen = text(&bench.app_saw());
        assert!(seen.starts_with("XXX") && seen.ends_with("X!tail"), "{}", &seen[seen.len() - 20..]);
        assert_eq!(bodies(&told), [(long.to_owned(), false)]);
    });
}

#[test]
fn a_whole_message_may_be_replaced() {
    run(async {
        let other = |asks: &Asks| {
            let both = |common: pb::CommonResponse| pb::CommonResponse {
                status: pb::common_response::ResponseStatus::ContinueAndReplace.into(),
                header_mutation: changes(vec![set("x-new", "1"), set(":method", "PUT")], &[]).header_mutation,
                ..common
            };
            Does::Says(vec![says(match asks {
                Asks::RequestHeaders(_) => Says::RequestHeaders(headers(both(replaced("mine")))),
                Asks::ResponseHeaders(_) => Says::ResponseHeaders(headers(both(replaced("yours")))),
                other => yes(other),
            })])
        };
        let all = ProcessingMode { request_trailers: HeaderMode::Send, ..mode(BodyMode::Buffered, BodyMode::Streamed) };
        for (request, pieces) in [(get("/"), &[][..]), (post("/"), &["body"][..])] {
            for answer in [&[][..], &["fine"][..]] {
                let (mut bench, _world, told) = processor(config(|config| config.mode = all), other).await;
                bench.app(Script { after_request: true, ..Script::answers(200, &[], answer) });
                let outcome = bench.send_pieces(request.clone(), pieces).await;
                assert_eq!((outcome.status(), outcome.body().as_str()), (200, "yours"));
                let seen = bench.app_saw();
                assert_eq!((seen.head.method.as_bytes(), text(&seen).as_str()), (&b"PUT"[..], "mine"));
                assert_eq!(told.borrow().len(), 2, "nothing more is told of what was replaced");
            }
        }
    });
}

#[test]
fn a_length_that_is_wrong_then_is_an_error() {
    run(async {
        let says_length = |asks: &Asks| {
            Does::Says(vec![says(match asks {
                Asks::RequestHeaders(_) => {
                    Says::RequestHeaders(headers(changes(vec![set("content-length", "5")], &[])))
                }
                Asks::RequestBody(_) => Says::RequestBody(body_response("longer than five")),
                other => yes(other),
            })])
        };
        let config = config(|config| {
            config.mode = mode(BodyMode::Buffered, BodyMode::None);
            config.failure_mode_allow = true;
        });
        let (bench, _world, _) = processor(config, says_length).await;
        let outcome = bench.send_pieces(post("/"), &["hello"]).await;
        assert_eq!(outcome.status(), 500);
        assert_eq!(outcome.details(), "mismatch_between_content_length_and_the_length_of_the_mutated_body");
    });
}

/// The body that the application saw.
fn text(seen: &crate::http::testing::fake::Seen) -> String {
    String::from_utf8_lossy(&seen.body).into_owned()
}

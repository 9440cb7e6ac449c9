//! Processors that do not answer, or say what they should not.

use super::*;

type Processor = fn(&Asks) -> Does;

#[test]
fn without_an_answer_nothing_passes_unless_that_is_wanted() {
    run(async {
        let broken: [(Processor, &str); 5] = [
            (
                |_| Does::Ends(&[("grpc-status", "14"), ("grpc-message", "go away")]),
                "ext_proc_error_gRPC_error_14{go_away{via_upstream}}",
            ),
            (|_| Does::Sends(b"\x00\x00\x00\x00\x03\xff\xff\xff"), "ext_proc_error_gRPC_error_13{}"),
            (|_| Does::Ends(&[("x-no-status", "1")]), "ext_proc_error_gRPC_error_2{via_upstream}"),
            (|_| Does::Says(vec![says(Says::ResponseHeaders(Default::default()))]), "spurious_message"),
            (|_| Does::Says(vec![pb::ProcessingResponse::default()]), "unhandled_message"),
        ];
        for (does, details) in broken {
            let (bench, _world, _) = processor(config(|config| config.status_on_error = 503), does).await;
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.details()), (503, details));

            let (mut bench, _world, told) = processor(config(|config| config.failure_mode_allow = true), does).await;
            bench.app(Script::answers(200, &[], &["fine"]));
            let (lines, _guard) = crate::testing::lines::Lines::listen();
            assert_eq!(bench.send(get("/")).await.body(), "fine");
            let warned = lines.with("what it should judge passes without its judgement: ");
            assert!(warned.len() == 1 && warned[0].contains("ext_proc '"), "{warned:?}");
            assert_eq!(bench.stat("http.test.ext_proc.failure_mode_allowed"), 1);
            assert_eq!(told.borrow().len(), 1, "it is not believed any more");
        }
    });
}

#[test]
fn one_that_ends_in_order_has_nothing_more_to_say() {
    run(async {
        let (mut bench, _world, told) = processor(config(|_| {}), |_| Does::Ends(OK)).await;
        bench.app(Script::answers(200, &[], &["fine"]));
        assert_eq!(bench.send(get("/")).await.body(), "fine");
        assert_eq!((told.borrow().len(), bench.stat("http.test.ext_proc.streams_closed")), (1, 1));
        assert_eq!(bench.stat("http.test.ext_proc.failure_mode_allowed"), 0);
    });
}

#[test]
fn half_a_message_is_none() {
    run(async {
        let late = config(|config| config.message_timeout = Duration::from_millis(50));
        let (bench, _world, _) = processor(late, |_| Does::Sends(b"\x00\x00\x00\x00\x20half")).await;
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.details()), (504, "ext_proc_error_per-message_timeout_exceeded"));
        assert_eq!(bench.stat("http.test.ext_proc.message_timeouts"), 1);
    });
}

#[test]
fn one_that_never_answers_is_not_waited_for_for_ever() {
    run(async {
        for (allow, status, allowed) in [(false, 504, 0), (true, 200, 1)] {
            let late = config(|config| {
                config.message_timeout = Duration::from_millis(20);
                config.failure_mode_allow = allow;
            });
            let (mut bench, _world, _) = processor(late, |_| Does::Says(vec![])).await;
            bench.app(Script::answers(200, &[], &[]));
            assert_eq!(bench.send(get("/")).await.status(), status);
            assert_eq!(bench.stat("http.test.ext_proc.failure_mode_allowed"), allowed);
        }
    });
}

#[test]
fn more_time_is_given_once_and_within_limits() {
    run(async {
        let takes = |seconds: i64, nanos: i32| pb::ProcessingResponse {
            override_message_timeout: Some(envoy_types::pb::google::protobuf::Duration { seconds, nanos }),
            ..Default::default()
        };
        let patient = config(|config| config.max_message_timeout = Duration::from_secs(30));
        let (mut bench, _world, _) = processor(patient, move |asks| {
            Does::Says(vec![takes(31, 0), takes(0, 10), takes(-1, 0), takes(30, 0), takes(1, 0), says(yes(asks))])
        })
        .await;
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get("/")).await.status(), 200);
        let stat = |name: &str| bench.stat(&format!("http.test.ext_proc.override_message_timeout_{name}"));
        // For each of the two heads.
        assert_eq!((stat("received"), stat("ignored")), (2, 8));
    });
}

#[test]
fn changes_that_are_none_are_an_error() {
    run(async {
        let cases: [(Vec<HeaderValueOption>, &[&str], &str); 4] = [
            (vec![set("x y", "1")], &[], "header_mutation_set_contains_invalid_character"),
            (vec![set("x", "a\r\nx-evil: 1")], &[], "header_mutation_set_contains_invalid_character"),
            (vec![], &["x y"], "header_mutation_remove_contains_invalid_character"),
            (vec![set("host", "other")], &[], "header_mutation_set_headers_failed"),
        ];
        for (sets, removes, details) in cases {
            let strict = config(|config| {
                config.rules.disallow_is_error = true;
                // That the processor is wrong is not that it is missing.
                config.failure_mode_allow = true;
            });
            let (bench, _world, _) = processor(strict, move |_| {
                Does::Says(vec![says(Says::RequestHeaders(headers(changes(sets.clone(), removes))))])
            })
            .await;
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.details()), (500, details));
            assert_eq!(bench.stat("http.test.ext_proc.rejected_header_mutations"), 1);
        }
    });
}

#[test]
fn too_many_headers_are_too_many() {
    run(async {
        let many: Vec<_> = (0..200).map(|number| set(&format!("x-{number}"), "1")).collect();
        let (bench, _world, _) = processor(config(|_| {}), move |_| {
            Does::Says(vec![says(Says::RequestHeaders(headers(changes(many.clone(), &[]))))])
        })
        .await;
        let outcome = bench.send(get("/")).await;
        assert_eq!(outcome.status(), 500);
        assert_eq!(outcome.details(), "header_mutation_operation_count_exceeds_limit");
    });
}

#[test]
fn it_may_not_answer_where_that_is_forbidden() {
    run(async {
        let (bench, _world, _) = processor(config(|config| config.disable_immediate_response = true), |_| {
            Does::Says(vec![says(Says::ImmediateResponse(Default::default()))])
        })
        .await;
        let outcome = bench.send(get("/")).await;
        assert_eq!(
            (outcome.status(), outcome.details()),
            (500, "unhandled_immediate_response_due_to_config_disabled_it")
        );
        assert_eq!(bench.stat("http.test.ext_proc.spurious_msgs_received"), 1);
    });
}

#[test]
fn an_unknown_cluster_is_no_consent() {
    run(async {
        let mut unknown = service();
        unknown.cluster = "nowhere".into();
        let (bench, _world, _) = processor(config(|config| config.service = unknown.into()), agrees).await;
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.details()), (500, "ext_proc_error_gRPC_error_14{}"));
    });
}

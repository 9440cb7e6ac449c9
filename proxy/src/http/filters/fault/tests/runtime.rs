//! What the runtime makes of faults.

use super::*;

/// The runtime changes what there is, whoever asked for it, and adds no fault of its own.
#[tokio::test(start_paused = true)]
async fn the_runtime_has_the_last_word() {
    let (shares, always) = (Share { of_runtime: Key::fixed("0"), ..ALWAYS }, Key::<Fraction>::fixed("100"));
    let delay = Delay { fixed: None, of_runtime: Key::fixed("30"), share: ALWAYS };
    let aborts =
        Abort { http_of_runtime: Key::fixed("451"), grpc_of_runtime: Key::fixed("9"), ..abort(AbortWith::Header) };
    let overridden = Fault { delay: Some(delay.clone()), abort: Some(aborts.clone()), ..asked() };
    for (config, headers, status, flags, milliseconds) in [
        (overridden.clone(), &[][..], 200, "-", 0),
        (overridden.clone(), &[("x-envoy-fault-abort-request", "500")], 451, "FI", 0),
        (overridden.clone(), &[("x-envoy-fault-delay-request", "1")], 200, "DI", 30),
        (overridden.clone(), &[("x-envoy-fault-delay-request", "0")], 200, "DI", 30),
        (
            Fault { abort: Some(Abort { share: shares.clone(), ..aborts.clone() }), ..overridden.clone() },
            &[("x-envoy-fault-abort-request", "500")],
            200,
            "-",
            0,
        ),
        (
            Fault {
                abort: Some(Abort { share: Share { of_runtime: always.clone(), ..NEVER }, ..aborts.clone() }),
                ..nothing()
            },
            &[("x-envoy-fault-abort-request", "500"), ("x-envoy-fault-abort-request-percentage", "0")],
            451,
            "FI",
            0,
        ),
        (
            Fault { delay: Some(Delay { share: shares.clone(), ..delay.clone() }), ..nothing() },
            &[("x-envoy-fault-delay-request", "1")],
            200,
            "-",
            0,
        ),
        (
            Fault {
                delay: Some(Delay { fixed: Some(Duration::from_secs(1)), of_runtime: Key::fixed("0"), ..delay }),
                ..nothing()
            },
            &[],
            200,
            "-",
            0,
        ),
        (
            Fault {
                abort: Some(Abort { http_of_runtime: Key::fixed("451"), ..abort(AbortWith::Http(500)) }),
                ..nothing()
            },
            &[],
            451,
            "FI",
            0,
        ),
    ] {
        let (text, mut bench) = (format!("{config:?} {headers:?}"), fault(config));
        let begin = Instant::now();
        let outcome = sent(&mut bench, headers).await;
        assert_eq!((outcome.status(), outcome.flags().as_str()), (status, flags), "{text}");
        assert_eq!(begin.elapsed(), Duration::from_millis(milliseconds), "{text}");
        assert_eq!(bench.stat("http.test.fault.aborts_injected"), u64::from(flags == "FI"), "{text}");
    }
    let grpc = [("content-type", "application/grpc"), ("x-envoy-fault-abort-grpc-request", "3")];
    assert_eq!(sent(&mut fault(overridden), &grpc).await.header("grpc-status").as_deref(), Some("9"));
    let limit = |share| Some(RateLimit { kib_per_second: None, share });
    for (share, count) in [(shares, 0), (Share { of_runtime: always, ..NEVER }, 1)] {
        let mut bench = fault(Fault { response_rate_limit: limit(share), ..nothing() });
        sent(&mut bench, &[("x-envoy-fault-throughput-response", "100")]).await;
        assert_eq!(bench.stat("http.test.fault.response_rl_injected"), count);
    }
}

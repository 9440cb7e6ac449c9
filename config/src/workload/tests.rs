//! What is told, and what is understood of it.

use serde_json::json;

use super::*;

fn labels(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn node() -> serde_json::Value {
    json!({
        "NAME": "ratings-vm", "NAMESPACE": "bookinfo", "WORKLOAD_NAME": "ratings", "CLUSTER_ID": "Kubernetes",
        "OWNER": "kubernetes://apis/apps/v1/namespaces/bookinfo/deployments/ratings", "ISTIO_VERSION": "1.31",
        "LABELS": {
            "app": "ratings", "version": "v1", "role": "server", "secret": "x",
            "service.istio.io/canonical-name": "ratings", "service.istio.io/canonical-revision": "v1",
        },
        "PORTS": [1, 2],
    })
}

fn own() -> Workload {
    Workload::of_node(&node(), &["eu".into(), "eu-1".into()], &labels(&["role"]))
}

#[test]
fn a_node_is_told_as_istios_proxies_tell_it() {
    let workload = own();
    assert_eq!(workload.kind, Kind::Deployment);
    assert_eq!((&*workload.region, &*workload.zone), ("eu", "eu-1"));
    assert_eq!(workload.labels, [("role".into(), "server".into())]);
    // Entries in order of their names, each with its own message: written down by hand.
    let octets = base64_of(&Workload { instance: "i".into(), app: "a".into(), ..Workload::default() }.header());
    let app = b"\x0a\x0a\x0a\x03app\x12\x03\x1a\x01a";
    let mut expected = vec![0x0a, 8 + 2 + app.len() as u8, 0x0a, 6];
    expected.extend_from_slice(b"LABELS");
    expected.extend([0x12, 2 + app.len() as u8, 0x2a, app.len() as u8]);
    expected.extend_from_slice(app);
    expected[1] = expected.len() as u8 - 2;
    expected.extend_from_slice(b"\x0a\x0b\x0a\x04NAME\x12\x03\x1a\x01i");
    assert_eq!(octets, expected);
    assert_eq!(workload.header(), own().header());
}

#[test]
fn what_is_told_is_understood() {
    let told = of_header(own().header().as_bytes(), &labels(&["role", "app"])).unwrap();
    assert_eq!(told, Told { workload: own(), cut: false });
    let told = of_header(own().header().trim_end_matches('=').as_bytes(), &[]).unwrap();
    assert_eq!(told.workload, Workload { labels: Vec::new(), ..own() });
    assert_eq!(
        of_frame(&frame_of(&own(), "id")[8..], &labels(&["role"])),
        Ok(Some(Told { workload: own(), cut: false }))
    );
    let frame = frame_of(&own(), "id");
    assert_eq!(frame[..4], [0x3d, 0x23, 0x04, 0x67]);
    assert_eq!(u32::from_be_bytes(frame[4..8].try_into().unwrap()) as usize, frame.len() - 8);
}

#[test]
fn qualified_labels_win_and_owners_of_other_kinds_are_not_known() {
    let metadata = json!({
        "OWNER": "kubernetes://apis/apps/v1/namespaces/b/statefulsets/a", "WORKLOAD_NAME": "a",
        "LABELS": {"app": "x", "app.kubernetes.io/name": "y", "version": "1", "app.kubernetes.io/version": "2"},
    });
    let workload = Workload::of_node(&metadata, &Default::default(), &[]);
    assert_eq!((&*workload.app, &*workload.version, workload.kind), ("y", "2", Kind::Unknown));
    for owner in ["", "a", "sa", "/s/a", "s/a", "é/s"] {
        assert_eq!(Kind::of_owner(owner, "a"), Kind::Unknown, "{owner}");
    }
    assert_eq!(Kind::of_owner("x/jobs/é", "é"), Kind::Job);
    assert_eq!(Workload::of_node(&json!(null), &Default::default(), &[]), Workload::default());
}

#[test]
fn what_is_wrong_or_too_long_is_not_understood() {
    assert_eq!(of_header(b"!!", &[]), Err(NotTold::NotBase64));
    assert_eq!(of_header(b"////", &[]), Err(NotTold::NotMessage));
    assert_eq!(of_header(&vec![b'A'; 1 << 20], &[]), Err(NotTold::TooLong));
    assert_eq!(of_header(b"", &[]).unwrap().workload, Workload::default());
    assert_eq!(of_frame(&vec![0; 1 << 20], &[]), Err(NotTold::TooLong));
    assert_eq!(of_frame(b"\x0a\x01x", &[]), Err(NotTold::NotMessage));
    assert_eq!(of_frame(b"", &[]), Err(NotTold::NotMessage));
}

#[test]
fn a_frame_is_told_at_its_first_wrong_octet() {
    assert_eq!(frame_head(b""), Frame::More);
    assert_eq!(frame_head(b"GET"), Frame::None);
    assert_eq!(frame_head(b"\x3d\x23\x04"), Frame::More);
    assert_eq!(frame_head(b"\x3d\x23\x04\x67\0\0\x01"), Frame::More);
    assert_eq!(frame_head(b"\x3d\x23\x04\x68"), Frame::None);
    assert_eq!(frame_head(b"\x3d\x23\x04\x67\0\0\x01\x02rest"), Frame::Message(258));
    assert_eq!(frame_head(b"\x3d\x23\x04\x67\xff\xff\xff\xff"), Frame::Message(u32::MAX as usize));
}

#[test]
fn long_texts_are_cut_and_labels_that_nobody_asked_for_are_let_go() {
    let long = "é".repeat(1000);
    let mut labels: serde_json::Map<_, _> = (0..100).map(|index| (format!("l{index}"), json!("x"))).collect();
    labels.insert("app".to_owned(), json!(long));
    let metadata = json!({ "NAME": long, "IDENTITY": long, "LABELS": labels });
    let own = Workload::of_node(&metadata, &Default::default(), &[]);
    assert_eq!(own.app.len(), 2000);
    let told = of_header(own.header().as_bytes(), &[]).unwrap();
    assert!(told.cut);
    assert_eq!((told.workload.app.len(), told.workload.instance.len()), (256, 256));
    assert_eq!(told.workload.identity.len(), 2000);
    assert!(told.workload.labels.is_empty());
}

#[test]
fn endpoints_and_baggage() {
    let workload = Workload::of_endpoint("details-v1;bookinfo;details;v1;Kubernetes").unwrap();
    assert_eq!((&*workload.name, &*workload.cluster, &*workload.revision), ("details-v1", "Kubernetes", "v1"));
    assert_eq!(Workload::of_endpoint("a;b;c;d"), None);
    let text = "k8s.deployment.name=ratings,service.name=ratings,service.version=v1,k8s.namespace.name=bookinfo,\
                k8s.cluster.name=Kubernetes,k8s.instance.name=ratings-vm,cloud.region=eu,cloud.availability_zone=eu-1";
    assert_eq!(own().baggage(), text);
    assert_eq!(Workload::of_baggage(text), Workload { labels: Vec::new(), ..own() });
    let workload = Workload::of_baggage("app.name=a,k8s.cronjob.name=c=d,x,y=,k8s.job=1");
    assert_eq!((&*workload.service, &*workload.name, workload.kind), ("a", "c", Kind::CronJob));
}

#[test]
fn filter_state_has_its_facts() {
    let json = own().json();
    assert_eq!(json["workload"], "ratings");
    assert_eq!(json["labels"]["role"], "server");
    assert_eq!(json["type"], "deployment");
    assert!(own().text().starts_with("type=deployment,workload=ratings,name=ratings-vm,cluster=Kubernetes,"));
    assert!(own().text().ends_with(",labels[]role=server"));
    assert!(!own().message().is_empty());
}

/// Octets of any kind are understood or refused.
#[test]
fn damaged_messages_are_harmless() {
    let (header, frame) = (own().header(), frame_of(&own(), "id"));
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..20_000 {
        let mut octets = base64_of(&header);
        for _ in 0..=random(4) {
            let at = random(octets.len());
            octets[at] = random(256) as u8;
        }
        octets.truncate(random(octets.len() + 1).max(1));
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &octets);
        if let Ok(told) = of_header(text.as_bytes(), &labels(&["role"])) {
            assert!(told.workload.app.len() <= LONGEST);
            let again = of_header(told.workload.header().as_bytes(), &labels(&["role"])).unwrap().workload;
            assert_eq!(again.app, told.workload.app);
        }
        let mut octets = frame[8..].to_vec();
        let at = random(octets.len());
        octets[at] = random(256) as u8;
        let _ = of_frame(&octets, &[]);
        let _ = Workload::of_baggage(&String::from_utf8_lossy(&octets));
    }
}

fn base64_of(text: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()
}

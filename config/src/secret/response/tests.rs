//! Tests of `response`.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn secret(name: &str) -> Value {
    json!({
        "@type": format!("type.googleapis.com/{SECRET}"), "name": name,
        "generic_secret": {"secret": {"inline_string": "marked-secret"}}
    })
}

fn only(path: &str, content: &[u8]) -> Result<(String, Bytes), String> {
    let response = read(Path::new(path), content, &Options::default())?;
    let version = response.version.clone();
    Ok((version, response.only("own")?))
}

fn response(resources: &[Value]) -> String {
    json!({"version_info": "7", "resources": resources}).to_string()
}

#[test]
fn all_forms_say_the_same() {
    let json = response(&[secret("own")]);
    let mut without_type = secret("own");
    without_type.as_object_mut().unwrap().remove("@type");
    let yaml = format!(
        "version_info: '7'\nresources:\n- '@type': type.googleapis.com/{SECRET}\n  name: own\n  generic_secret: {{secret: {{inline_string: marked-secret}}}}\n"
    );
    let wrapped = response(&[
        json!({"@type": format!("type.googleapis.com/{WRAPPER}"), "name": "own", "version": "1", "resource": secret("own")}),
    ]);
    let (version, octets) = only("/x/s.json", json.as_bytes()).unwrap();
    assert_eq!(version, "7");
    let binary = pb::DiscoveryResponse {
        version_info: "7".to_owned(),
        resources: vec![wkt::Any { type_url: format!("type.googleapis.com/{SECRET}"), value: octets.to_vec() }],
        ..Default::default()
    };
    assert_eq!(only("/x/s.conf", json.as_bytes()).unwrap().1, octets);
    assert_eq!(only("/x/s.YAML", yaml.as_bytes()).unwrap().1, octets);
    assert_eq!(only("/x/s.yml", yaml.as_bytes()).unwrap().1, octets);
    assert_eq!(only("/x/s.json", wrapped.as_bytes()).unwrap().1, octets);
    assert_eq!(only("/x/s.pb", &binary.encode_to_vec()).unwrap().1, octets);
    let secret = super::super::decode(&octets, &Options::default()).unwrap();
    assert_eq!((&*secret.name, secret.kind.field()), ("own", "generic_secret"));
}

#[test]
fn what_is_none_says_what_it_is_and_nothing_of_the_secret() {
    let other = json!({"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "own"});
    let mut misspelt = secret("own");
    misspelt["generic_secret"]["secret"] = json!({"inline_string": ["marked-secret"]});
    let cases: &[(&str, String, &str)] = &[
        ("s.json", "{{{ marked-secret".to_owned(), "it cannot be read"),
        ("s.yaml", "a: [marked-secret".to_owned(), "it is no YAML"),
        ("s.pb", "marked-secret".to_owned(), "the bytes are not a message"),
        ("s.pb_text", String::new(), "are not read; write YAML"),
        ("s.json", "{}".to_owned(), "Missing SDS resources for own"),
        ("s.json", response(&[secret("own"), secret("own")]), "there are 2 resources"),
        ("s.json", response(&[secret("x")]), "Unexpected SDS secret (expecting own): x"),
        ("s.json", response(&[other]), "Unable to unpack as envoy.extensions.transport_sockets.tls.v3.Secret"),
        ("s.json", response(&[misspelt]), "inline_string"),
        ("s.json", response(&[json!({"@type": format!("type.googleapis.com/{WRAPPER}")})]), "holds no secret"),
    ];
    for (path, content, words) in cases {
        let reason = only(path, content.as_bytes()).unwrap_err();
        assert!(reason.contains(words), "{path} {content}: {reason}");
        assert!(!reason.contains("marked-secret"), "{reason}");
    }
    let reason = only("s.json", b"\xff\xff").unwrap_err();
    assert!(reason.contains("no UTF-8"), "{reason}");
}

/// As everywhere else nothing is left out of what may be policy.
#[test]
fn what_nobody_knows_is_left_out_but_of_secrets() {
    let read_it = |content: &str, options: &Options| read(Path::new("s.json"), content.as_bytes(), options);
    let content = json!({"nonsense": 1, "resources": [secret("own")]}).to_string();
    let lenient = Options::default();
    assert!(read_it(&content, &lenient).and_then(|response| response.only("own")).is_ok());
    assert_eq!(lenient.take_unknown().len(), 1);
    let strict = Options::new(crate::UnknownFields::Reject, true);
    assert!(read_it(&content, &strict).unwrap_err().contains("nonsense"));
    let mut with = secret("own");
    with["nonsense"] = json!(1);
    let reason = read_it(&response(&[with]), &lenient).unwrap_err();
    assert!(reason.contains("resources[0].nonsense: is not a field of"), "{reason}");
}

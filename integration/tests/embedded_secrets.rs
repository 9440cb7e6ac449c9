//! A private key that is broken, or stands where it should not: nothing that the process writes at its most talkative, answers, or
//! tells the control plane holds any of it.

use std::collections::HashSet;
use std::process::Stdio;

use outrigger_integration::control_plane::ca::{Authority, Leaf};
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::control_plane::seen::{Seen, What};
use outrigger_integration::embedded::binary;
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh};
use serde_json::{Value, json};

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// A key with what only its owner knows of it.
struct Marked {
    leaf: Leaf,
    marks: HashSet<Vec<u8>>,
}

impl Marked {
    const LENGTH: usize = 12;

    fn new() -> Self {
        let leaf = Authority::new().issue("spiffe://cluster.local/ns/default/sa/marked");
        let body: String = leaf.key.lines().filter(|line| !line.starts_with("--")).collect();
        // Before it stand the algorithm and the curve, behind it the public key, which the certificate has too.
        let secret = body[48..88].to_owned();
        let octets = |text: &str| text.bytes().map(|octet| octet.to_string()).collect::<Vec<_>>().join(", ");
        let mut codings = vec![octets(&secret)];
        codings.extend((0..3).map(|from| base64(&secret.as_bytes()[from..])));
        codings.push(secret);
        let windows = |coding: String| -> Vec<_> {
            coding.to_lowercase().as_bytes().windows(Self::LENGTH).map(<[u8]>::to_vec).collect()
        };
        Self { leaf, marks: codings.into_iter().flat_map(windows).collect() }
    }

    fn is_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        text.as_bytes().windows(Self::LENGTH).any(|window| self.marks.contains(window))
    }

    #[track_caller]
    fn assert_not_in(&self, what: &str, text: &str) {
        let line = text.lines().find(|line| self.is_in(line));
        assert!(line.is_none(), "{what} shows the key: {}", line.unwrap_or_default());
    }

    /// The key, spoiled in a hundred ways.
    fn spoiled(&self) -> Vec<String> {
        let key = &self.leaf.key;
        let body: String = key.lines().filter(|line| !line.starts_with("--")).collect();
        let mut all = vec![
            key.replace('\n', ""),
            key.replace('\n', " "),
            key.replace('\n', "\\n"),
            key.replace('\n', "\r"),
            key.replace('\n', "\r\n "),
            format!("{key}{key}").replace("--\n--", "--"),
            key.replace("-----", "----"),
            key.replace("PRIVATE KEY", "CERTIFICATE"),
            key.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
            key.replace("BEGIN ", "BEGIN ENCRYPTED "),
            body.clone(),
            base64(key.as_bytes()),
            key.replacen(&body[..8], "!!!!!!!!", 1),
            key.chars().rev().collect(),
            format!("-----BEGIN PRIVATE KEY-----{body}"),
        ];
        let cuts = (1..45).map(|part| key.len() * part / 45);
        all.extend(cuts.clone().map(|cut| key[..cut].to_owned()));
        all.extend(cuts.map(|cut| format!("{}\u{1}{}", &key[..cut], &key[cut..])));
        all
    }

    /// Places of a context where a key may stand, also by mistake.
    fn contexts(&self, text: &str) -> Vec<Value> {
        let chain = json!({ "inline_string": self.leaf.chain });
        let key = json!({ "inline_string": self.leaf.key });
        [
            json!({ "inline_string": text }),
            json!({ "inline_bytes": base64(text.as_bytes()) }),
            json!({ "filename": text }),
            json!({ "environment_variable": text }),
        ]
        .iter()
        .flat_map(|source| {
            [
                json!({ "tls_certificates": [{ "certificate_chain": chain, "private_key": source }] }),
                json!({ "tls_certificates": [{ "certificate_chain": source, "private_key": key }] }),
                json!({ "tls_certificates": [{ "certificate_chain": chain, "private_key": key, "password": source }] }),
                json!({ "validation_context": { "trusted_ca": source } }),
            ]
        })
        .collect()
    }
}

fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |word: u32, place: u32| char::from(LETTERS[(word >> (18 - 6 * place)) as usize & 63]);
    let coded = octets.chunks(3).flat_map(|part| {
        let word = part.iter().enumerate().fold(0, |word, (at, octet)| word | u32::from(*octet) << (16 - 8 * at));
        let letters = (0..4).map(move |place| if place as usize <= part.len() { letter(word, place) } else { '=' });
        letters.collect::<Vec<_>>()
    });
    coded.collect()
}

fn socket(side: &str, common: &Value, typed_struct: bool) -> Value {
    let config = match typed_struct {
        true => json!({
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": format!("{TLS}.{side}"),
            "value": { "commonTlsContext": common }
        }),
        false => json!({ "@type": format!("{TLS}.{side}"), "common_tls_context": common }),
    };
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": config })
}

fn cluster(name: &str, common: &Value, typed_struct: bool) -> Value {
    json!({ "name": name, "transport_socket": socket("UpstreamTlsContext", common, typed_struct) })
}

fn listener(name: &str, common: &Value, typed_struct: bool) -> Value {
    let proxy = json!({
        "name": "tcp",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "a",
            "cluster": "a"
        }
    });
    json!({
        "name": name,
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "filter_chains": [{ "filters": [proxy], "transport_socket": socket("DownstreamTlsContext", common, typed_struct) }]
    })
}

#[tokio::test]
async fn what_is_pushed_is_neither_logged_nor_shown_nor_sent_back() {
    let marked = Marked::new();
    assert!(marked.is_in(&marked.leaf.key));
    let mesh = EmbeddedMesh::start().await;
    assert_eq!(mesh.details.admin_post("/logging?level=trace").await.status, 200);
    let nack_after = async |before: usize, type_url: &str| -> String {
        let nack =
            |seen: &Seen| seen.workload == DETAILS && seen.type_url == type_url && matches!(&seen.what, What::Nack(_));
        match mesh.control_plane.wait_for_after(before, nack).await.what {
            What::Nack(text) => text,
            other => panic!("{other:?} was asked for"),
        }
    };
    let contexts: Vec<Value> = marked.spoiled().iter().flat_map(|text| marked.contexts(text)).collect();
    let before = mesh.control_plane.seen().len();
    mesh.control_plane.edit(DETAILS, move |resources| {
        for (index, common) in contexts.iter().enumerate() {
            let name = format!("marked-{index}");
            resources.put(types::CLUSTER, &name, cluster(&name, common, index % 3 == 0));
            resources.put(types::LISTENER, &name, listener(&name, common, index % 3 == 1));
        }
    });
    for type_url in [types::CLUSTER, types::LISTENER] {
        let text = nack_after(before, type_url).await;
        assert!(text.contains("marked-0"), "{text}");
        marked.assert_not_in("a NACK", &text);
    }
    for page in ["/config_dump?include_eds", "/certs", "/server_info", "/config_not_acting", "/clusters", "/stats"] {
        let reply = mesh.details.admin(page).await;
        assert_eq!(reply.status, 200, "{page}");
        marked.assert_not_in(page, &reply.text());
    }
    mesh.control_plane.clear_edits();
    for key in marked.spoiled() {
        for leaf in [
            Leaf { chain: marked.leaf.chain.clone(), key: key.clone() },
            Leaf { chain: key, key: marked.leaf.key.clone() },
        ] {
            let before = mesh.control_plane.seen().len();
            mesh.control_plane.send_certificate(DETAILS, leaf);
            let answer = |seen: &Seen| {
                let answers = matches!(seen.what, What::Ack | What::Nack(_));
                seen.workload == DETAILS && seen.type_url == types::SECRET && answers
            };
            if let What::Nack(text) = mesh.control_plane.wait_for_after(before, answer).await.what {
                marked.assert_not_in("a NACK of a secret", &text);
            }
        }
    }
    for page in ["/config_dump", "/certs"] {
        marked.assert_not_in(page, &mesh.details.admin(page).await.text());
    }
    let log = mesh.details.log();
    assert!(log.contains("marked-0") && log.contains("trace"), "it was talkative");
    marked.assert_not_in("the log", &log);
}

#[test]
fn validation_and_its_log_show_nothing_of_a_key() {
    let marked = Marked::new();
    let program = binary::build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for (index, text) in marked.spoiled().iter().enumerate() {
        let file = folder.path().join("key.pem");
        std::fs::write(&file, text).unwrap();
        let from_file = json!({ "filename": file });
        let from_environment = json!({ "environment_variable": "MARKED" });
        let mut all = marked.contexts(text);
        for source in [from_file, from_environment] {
            let chain = json!({ "inline_string": marked.leaf.chain });
            all.push(json!({ "tls_certificates": [{ "certificate_chain": chain, "private_key": source }] }));
        }
        let common = &all[index % all.len()];
        let resources = match index % 2 {
            0 => json!({ "clusters": [cluster("c", common, index % 3 == 0)] }),
            _ => json!({ "listeners": [listener("l", common, index % 3 == 0)] }),
        };
        let bootstrap = folder.path().join("bootstrap.json");
        std::fs::write(&bootstrap, json!({ "static_resources": resources }).to_string()).unwrap();
        let mut command = std::process::Command::new(&program);
        command.args(["--mode", "validate", "-l", "trace", "-c"]).arg(bootstrap).stdin(Stdio::null());
        if !text.contains('\0') {
            command.env("MARKED", text);
        }
        let output = command.output().unwrap();
        refused += usize::from(!output.status.success());
        marked.assert_not_in("stdout", &String::from_utf8_lossy(&output.stdout));
        marked.assert_not_in("stderr", &String::from_utf8_lossy(&output.stderr));
    }
    assert!(refused > 60, "{refused}");
}

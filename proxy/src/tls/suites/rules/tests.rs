//! Lists as operators write them; what they give was seen of the real Envoy, or is BoringSSL's documentation.

use super::*;
use crate::tls::suites;

fn names(text: &str) -> String {
    let preference = read(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    let short = |suite: &SupportedCipherSuite| {
        let name = suites::name(suite.suite()).replace("ECDHE-", "").replace("-POLY1305", "").replace("-GCM", "");
        name.replace("-SHA256", "").replace("-SHA384", "")
    };
    let mut suites = preference.suites.iter().map(short);
    let groups = preference.groups.iter().map(|length| suites.by_ref().take(*length).collect::<Vec<_>>().join("|"));
    let groups: Vec<_> = groups.collect();
    assert!(suites.next().is_none(), "{text}: groups hold everything");
    groups.join(" ")
}

const A128: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";
const R128: &str = "ECDHE-RSA-AES128-GCM-SHA256";
const R256: &str = "ECDHE-RSA-AES256-GCM-SHA384";

#[test]
fn names_aliases_and_operators() {
    let everything = "ECDSA-AES128 RSA-AES128 ECDSA-AES256 RSA-AES256 ECDSA-CHACHA20 RSA-CHACHA20";
    for (text, expected) in [
        (R256.to_owned(), "RSA-AES256"),
        (format!("{R256}:{A128}"), "RSA-AES256 ECDSA-AES128"),
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned(), "RSA-AES256"),
        ("ALL".to_owned(), everything),
        ("DEFAULT".to_owned(), everything),
        ("DEFAULT:!AES128".to_owned(), "ECDSA-AES256 RSA-AES256 ECDSA-CHACHA20 RSA-CHACHA20"),
        ("ALL:!AES128:!CHACHA20".to_owned(), "ECDSA-AES256 RSA-AES256"),
        ("ALL:-aRSA".to_owned(), "ECDSA-AES128 ECDSA-AES256 ECDSA-CHACHA20"),
        ("ECDHE+AESGCM+aECDSA".to_owned(), "ECDSA-AES128 ECDSA-AES256"),
        ("ECDHE+AES256".to_owned(), "ECDSA-AES256 RSA-AES256"),
        // What is deleted may come back, and then first of all; what is killed may not.
        (
            format!("ALL:-{R256}:-AES128:ALL"),
            "ECDSA-AES256 ECDSA-CHACHA20 RSA-CHACHA20 ECDSA-AES128 RSA-AES128 RSA-AES256",
        ),
        (format!("ALL:!{R256}:{R256}:!CHACHA20"), "ECDSA-AES128 RSA-AES128 ECDSA-AES256"),
        ("ALL:+AES128:!CHACHA20".to_owned(), "ECDSA-AES256 RSA-AES256 ECDSA-AES128 RSA-AES128"),
        (format!("{A128}:{R256}:@STRENGTH"), "RSA-AES256 ECDSA-AES128"),
        (format!("[{A128}|{R128}]:{R256}"), "ECDSA-AES128|RSA-AES128 RSA-AES256"),
        (format!("[{A128}|AES128-SHA|{R128}]"), "ECDSA-AES128|RSA-AES128"),
        (format!("TLS_AES_128_GCM_SHA256:{R256}"), "RSA-AES256"),
        (format!("{R256}::"), "RSA-AES256"),
        ("kRSA+AES".to_owned(), ""),
        ("!ALL".to_owned(), ""),
    ] {
        assert_eq!(names(&text), expected, "{text}");
    }
}

#[test]
fn what_is_no_list_is_refused() {
    for (text, fault) in [
        ("garbage".to_owned(), Fault::Unknown),
        (format!("{R256}:!garbage"), Fault::Unknown),
        (format!("{R256},{A128}"), Fault::Unknown),
        (format!("{R256} {A128}"), Fault::Unknown),
        ("ECDHE+garbage".to_owned(), Fault::Unknown),
        ("ECDHE+".to_owned(), Fault::Unknown),
        ("!".to_owned(), Fault::Unknown),
        ("@WEAKNESS".to_owned(), Fault::Unknown),
        (format!("[{R256}"), Fault::Group),
        (format!("[{R256}|[{A128}]]"), Fault::Group),
        (format!("[{R256}|!{A128}]"), Fault::Group),
        (format!("[{R256}|{A128}]:!AES128"), Fault::Mixed),
        (format!("{R256}]"), Fault::Unknown),
        (format!("{R256}|{A128}"), Fault::Unknown),
    ] {
        assert_eq!(read(&text).err(), Some(fault), "{text}");
    }
}

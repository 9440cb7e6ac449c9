//! What may be odd about a leaf and its place in the chain.

use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256};

use super::*;

pub(super) fn add(table: &mut Table) {
    times(table);
    versions(table);
    uses(table);
    extensions(table);
    keys(table);
    places(table);
}

fn times(table: &mut Table) {
    table.leaf("plain", |_| {});
    table.leaf("expired", |leaf| leaf.until = "240101000000Z");
    table.leaf("not yet valid", |leaf| leaf.from = "480101000000Z");
    table.leaf("valid since before 1970", |leaf| leaf.from = "500101000000Z");
    table.leaf("valid since 1899", |leaf| leaf.from = "18990101000000Z");
    table.leaf("expired in 1969", |leaf| {
        leaf.from = "500101000000Z";
        leaf.until = "691231235959Z";
    });
    table.leaf("valid until 2051", |leaf| leaf.until = "20510101000000Z");
    table.leaf("valid for ever", |leaf| leaf.until = "99991231235959Z");
    table.leaf("GeneralizedTime before 2050", |leaf| leaf.until = "20400101000000Z");
    table.leaf("time without seconds", |leaf| leaf.until = "4001010000Z");
    table.leaf("time with an offset", |leaf| leaf.until = "400101000000+0100");
    table.leaf("time that is none", |leaf| leaf.until = "401301000000Z");
    table.leaf("end before beginning", |leaf| {
        leaf.from = "300101000000Z";
        leaf.until = "210101000000Z";
    });
}

fn versions(table: &mut Table) {
    table.leaf("version 1 without extensions", |leaf| {
        leaf.version = None;
        leaf.extensions.clear();
    });
    table.leaf("version 1 with extensions", |leaf| leaf.version = None);
    table.leaf("version 1 said explicitly", |leaf| {
        leaf.version = Some(0);
        leaf.extensions.clear();
    });
    table.leaf("version 2 with extensions", |leaf| leaf.version = Some(1));
    table.leaf("version 3 without extensions", |leaf| leaf.extensions.clear());
    table.leaf("version 4", |leaf| leaf.version = Some(3));
    table.leaf("serial number zero", |leaf| leaf.serial = vec![0]);
    table.leaf("negative serial number", |leaf| leaf.serial = vec![0x80]);
    table.leaf("serial number of 24 octets", |leaf| leaf.serial = vec![0x11; 24]);
    table.leaf("serial number padded", |leaf| leaf.serial = vec![0, 0x11]);
    table.leaf("serial number empty", |leaf| leaf.serial = vec![]);
    table.leaf("no subject", |leaf| leaf.subject = der::name(""));
    table.leaf("no subject and critical names", |leaf| {
        leaf.subject = der::name("");
        let value = tlv(0x30, &[&uri("spiffe://mesh/peer")]);
        replace(leaf, NAMES, Some(extension(NAMES, true, &value)));
    });
    table.leaf("octets after it", |leaf| leaf.tail = vec![0]);
    table.leaf("spoiled signature", |leaf| leaf.spoiled = true);
    table.leaf("two algorithms", |leaf| leaf.two_algorithms = true);
}

fn uses(table: &mut Table) {
    table.leaf("an authority's certificate", |leaf| replace(leaf, BASIC, Some(constraints(true, None))));
    table.leaf("an authority's certificate and usage", |leaf| {
        replace(leaf, BASIC, Some(constraints(true, None)));
        replace(leaf, USAGE, Some(usage(0x86)));
    });
    table.leaf("no basicConstraints", |leaf| replace(leaf, BASIC, None));
    table.leaf("path length of no authority", |leaf| replace(leaf, BASIC, Some(constraints(false, Some(0)))));
    table.leaf("no keyUsage", |leaf| replace(leaf, USAGE, None));
    for (name, bits) in [
        ("for keyEncipherment", 0x20),
        ("for nonRepudiation", 0x40),
        ("for keyAgreement", 0x08),
        ("for keyCertSign", 0x04),
        ("for digitalSignature and keyEncipherment", 0xa0),
        ("for nothing", 0),
    ] {
        table.leaf(&format!("key {name}"), |leaf| replace(leaf, USAGE, Some(usage(bits))));
    }
    for (name, uses) in [
        ("serverAuth", &[SERVER][..]),
        ("clientAuth", &[CLIENT]),
        ("anyExtendedKeyUsage", &["2.5.29.37.0"]),
        ("codeSigning", &["1.3.6.1.5.5.7.3.3"]),
        ("Microsoft's gated crypto", &["1.3.6.1.4.1.311.10.3.3"]),
        ("Netscape's gated crypto", &["2.16.840.1.113730.4.1"]),
        ("nothing", &[]),
    ] {
        table.leaf(&format!("extendedKeyUsage {name}"), |leaf| replace(leaf, EXTENDED, Some(extended(uses))));
    }
    table.leaf("no extendedKeyUsage", |leaf| replace(leaf, EXTENDED, None));
    table.leaf("critical extendedKeyUsage", |leaf| {
        let value = der::seq(&[&der::oid(SERVER), &der::oid(CLIENT)]);
        replace(leaf, EXTENDED, Some(extension(EXTENDED, true, &value)));
    });
    for (name, bits) in [("server", 0x40_u8), ("client", 0x80), ("S/MIME", 0x20)] {
        table.leaf(&format!("Netscape's type {name}"), |leaf| {
            leaf.extensions.push(extension("2.16.840.1.113730.1.1", false, &[3, 2, 5, bits]));
        });
    }
}

fn extensions(table: &mut Table) {
    table.leaf("unknown extension", |leaf| leaf.extensions.push(unknown(false)));
    table.leaf("unknown critical extension", |leaf| leaf.extensions.push(unknown(true)));
    table.leaf("unknown extension twice", |leaf| leaf.extensions.extend([unknown(false), unknown(false)]));
    table.leaf("names twice", |leaf| leaf.extensions.push(usual_names()));
    table.leaf("broken names", |leaf| replace(leaf, NAMES, Some(extension(NAMES, false, &[0x30, 5, 1]))));
    table.leaf("broken extendedKeyUsage", |leaf| replace(leaf, EXTENDED, Some(extension(EXTENDED, false, &[0x30, 5]))));
    table.leaf("broken basicConstraints", |leaf| replace(leaf, BASIC, Some(extension(BASIC, true, &[0x30, 5]))));
    table.leaf("broken keyUsage", |leaf| replace(leaf, USAGE, Some(extension(USAGE, true, &[3, 9]))));
    table.leaf("broken authorityKeyIdentifier", |leaf| leaf.extensions.push(extension("2.5.29.35", false, &[0x30, 9])));
    table.leaf("poison of certificate transparency", |leaf| {
        leaf.extensions.push(extension("1.3.6.1.4.1.11129.2.4.3", true, &[5, 0]));
    });
    table.leaf("wrong authorityKeyIdentifier", |leaf| {
        leaf.extensions.push(extension("2.5.29.35", false, &der::seq(&[&tlv(0x80, &[&[7; 20]])])));
    });
    table.leaf("wrong issuer in authorityKeyIdentifier", |leaf| {
        let issuer = tlv(0xa1, &[&der::directory("someone")]);
        leaf.extensions.push(extension("2.5.29.35", false, &der::seq(&[&issuer, &tlv(0x82, &[&[5]])])));
    });
    table.leaf("subjectKeyIdentifier", |leaf| leaf.extensions.push(extension("2.5.29.14", false, &octets(&[7; 20]))));
    let two = [uri("spiffe://mesh/peer"), uri("spiffe://mesh/other")];
    table.leaf("two URI names", |leaf| replace(leaf, NAMES, Some(sans(&two))));
    table.leaf("no names", |leaf| replace(leaf, NAMES, None));
    table.leaf("no names and no subject", |leaf| {
        leaf.subject = der::name("");
        replace(leaf, NAMES, None);
    });
    table.leaf("must-staple", |leaf| leaf.extensions.push(extension("1.3.6.1.5.5.7.1.24", false, &[0x30, 3, 2, 1, 5])));
    table.leaf("empty extension", |leaf| leaf.extensions.push(extension("1.2.3.4.5", false, &[])));
}

fn keys(table: &mut Table) {
    table.keyed("key on P-384", &Key::of(&PKCS_ECDSA_P384_SHA384, "1.2.840.10045.4.3.3"), 0x80);
    table.keyed("key on P-521", &Key::of(&PKCS_ECDSA_P521_SHA512, "1.2.840.10045.4.3.4"), 0x80);
    table.keyed("Ed25519 key", &Key::of(&PKCS_ED25519, "1.3.101.112"), 0x80);
    let rsa = Key::of(&PKCS_RSA_SHA256, "1.2.840.113549.1.1.11");
    table.keyed("RSA key", &rsa, 0x80);
    table.keyed("RSA key for keyEncipherment", &rsa, 0x20);
}

fn places(table: &mut Table) {
    let other = authority_text("other", "other").sign(&table.other, &table.other);
    let leaf = table.leaf_der(|_| {});
    let root = table.root_der.clone();
    table.add("unknown root", vec![leaf.clone()], roots(&[&other]));
    table.add("unknown root that is sent along", vec![leaf.clone(), root.clone()], roots(&[&other]));
    table.add("root sent along", vec![leaf.clone(), root.clone()], roots(&[&root]));
    table.add("two roots", vec![leaf.clone()], roots(&[&other, &root]));
    table.add("root twice in the bundle", vec![leaf.clone()], roots(&[&root, &root]));
    table.add("stranger sent along", vec![leaf.clone(), other.clone()], roots(&[&root]));
    table.add("leaf sent twice", vec![leaf.clone(), leaf.clone()], roots(&[&root]));
    table.add("leaf alone in the bundle", vec![leaf.clone()], roots(&[&leaf]));
    table.add("leaf in a bundle with a stranger", vec![leaf.clone()], roots(&[&other, &leaf]));
    let expired = table.leaf_der(|leaf| leaf.until = "240101000000Z");
    table.add("expired leaf in the bundle", vec![expired.clone()], roots(&[&expired]));
    let namesake = authority_text("root", "root").sign(&table.other, &table.other);
    table.add("namesake of the root", vec![leaf.clone()], roots(&[&namesake]));
    table.add("namesake of the root before it", vec![leaf.clone()], roots(&[&namesake, &root]));
    let alone = leaf_text("leaf").sign(&table.leaf, &table.leaf);
    table.add("self-signed", vec![alone.clone()], roots(&[&root]));
    table.add("self-signed in the bundle", vec![alone.clone()], roots(&[&alone]));
    let alone = authority_text("leaf", "leaf").sign(&table.leaf, &table.leaf);
    table.add("self-signed authority in the bundle", vec![alone.clone()], roots(&[&alone]));
    let mut text = authority_text("leaf", "leaf");
    replace(&mut text, USAGE, Some(usage(0x84)));
    let alone = text.sign(&table.leaf, &table.leaf);
    table.add("self-signed authority that signs too in the bundle", vec![alone.clone()], roots(&[&alone]));
    let wrong = leaf_text("root").sign(&table.leaf, &table.other);
    table.add("signed by someone else", vec![wrong], roots(&[&root]));
    table.add("root that is one with text around", vec![leaf], {
        json!({"trusted_ca": {"inline_string": format!("before\n{}after\n", pem("CERTIFICATE", &root))}})
    });
}

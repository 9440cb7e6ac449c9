//! What may be odd about roots, and about authorities between root and leaf.

use rcgen::PKCS_RSA_SHA256;

use super::*;

pub(super) fn add(table: &mut Table) {
    rooted(table);
    between(table);
    depths(table);
    policies(table);
    crossed(table);
}

fn rooted(table: &mut Table) {
    table.rooted("expired root", |root| root.until = "240101000000Z");
    table.rooted("root not yet valid", |root| root.from = "480101000000Z");
    table.rooted("root without basicConstraints", |root| replace(root, BASIC, None));
    table.rooted("root that is no authority", |root| replace(root, BASIC, Some(constraints(false, None))));
    table.rooted("root of version 1", |root| {
        root.version = None;
        root.extensions.clear();
    });
    table.rooted("root without keyCertSign", |root| replace(root, USAGE, Some(usage(0x80))));
    table.rooted("root without keyUsage", |root| replace(root, USAGE, None));
    table.rooted("root with a spoiled signature", |root| root.spoiled = true);
    table.rooted("root with path length 0", |root| replace(root, BASIC, Some(constraints(true, Some(0)))));
    table.rooted("root for servers", |root| root.extensions.push(extended(&[SERVER])));
    table.rooted("root for clients", |root| root.extensions.push(extended(&[CLIENT])));
    table.rooted("root for signing code", |root| root.extensions.push(extended(&["1.3.6.1.5.5.7.3.3"])));
    table.rooted("root with an unknown critical extension", |root| root.extensions.push(unknown(true)));
    table.rooted("root by another issuer", |root| root.issuer = der::name("someone"));
    table.rooted("root with wrong names permitted", |root| {
        root.extensions.push(der::name_constraints(true, &[dns("other.example")], &[]));
    });
    let rsa = Key::of(&PKCS_RSA_SHA256, "1.2.840.113549.1.1.11");
    let root = authority_text("rsa", "rsa").sign(&rsa, &rsa);
    let leaf = leaf_text("rsa").sign(&table.leaf, &rsa);
    table.add("RSA root", vec![leaf], roots(&[&root]));
}

fn between(table: &mut Table) {
    let usual = |_: &mut Text| {};
    table.between("authority between", usual, usual);
    table.between("expired authority", |middle| middle.until = "240101000000Z", usual);
    table.between("authority not yet valid", |middle| middle.from = "480101000000Z", usual);
    table.between("authority without basicConstraints", |middle| replace(middle, BASIC, None), usual);
    table.between("authority that is none", |middle| replace(middle, BASIC, Some(constraints(false, None))), usual);
    table.between(
        "authority of version 1",
        |middle| {
            middle.version = None;
            middle.extensions.clear();
        },
        usual,
    );
    table.between("authority without keyCertSign", |middle| replace(middle, USAGE, Some(usage(0x80))), usual);
    table.between("authority with cRLSign alone", |middle| replace(middle, USAGE, Some(usage(0x02))), usual);
    table.between("authority without keyUsage", |middle| replace(middle, USAGE, None), usual);
    table.between("authority with a spoiled signature", |middle| middle.spoiled = true, usual);
    table.between(
        "authority with an unknown critical extension",
        |middle| middle.extensions.push(unknown(true)),
        usual,
    );
    table.between("leaf with a spoiled signature", usual, |leaf| leaf.spoiled = true);
    for (name, uses) in [
        ("servers", &[SERVER][..]),
        ("clients", &[CLIENT]),
        ("anything", &["2.5.29.37.0"]),
        ("signing code", &["1.3.6.1.5.5.7.3.3"]),
        ("gated servers", &["2.16.840.1.113730.4.1"]),
    ] {
        table.between(&format!("authority for {name}"), |middle| middle.extensions.push(extended(uses)), usual);
    }
    table.between(
        "authority with path length 0",
        |middle| replace(middle, BASIC, Some(constraints(true, Some(0)))),
        usual,
    );
    table.between(
        "negative path length",
        |middle| {
            let value = der::seq(&[&[1, 1, 0xff], &[2, 1, 0xff]]);
            replace(middle, BASIC, Some(extension(BASIC, true, &value)));
        },
        usual,
    );
    table.between(
        "authority with the root's name",
        |middle| middle.subject = der::name("root"),
        |leaf| leaf.issuer = der::name("root"),
    );
    let (middle, leaf) = table.middle_der(|_| {}, |_| {});
    let root = table.root_der.clone();
    table.add("authority not sent", vec![leaf.clone()], roots(&[&root]));
    table.add("authority not sent and in the bundle", vec![leaf.clone()], roots(&[&root, &middle]));
    table.add("authority alone in the bundle", vec![leaf.clone()], roots(&[&middle]));
    table.add("authority alone in the bundle and sent", vec![leaf.clone(), middle.clone()], roots(&[&middle]));
    table.add("root before the authority", vec![leaf.clone(), root.clone(), middle.clone()], roots(&[&root]));
    let (expired, _) = table.middle_der(|middle| middle.until = "240101000000Z", |_| {});
    table.add("expired authority alone in the bundle", vec![leaf.clone()], roots(&[&expired]));
    table.add("expired authority sent and a good one in the bundle", vec![leaf, expired], roots(&[&root, &middle]));
}

fn depths(table: &mut Table) {
    let root = table.root_der.clone();
    for floors in [2, 4, 6, 7, 8, 9, 12, 20] {
        let chain = table.tower(floors);
        table.add(&format!("{floors} authorities between"), chain, roots(&[&root]));
    }
    for floors in [0, 1, 2, 3] {
        for depth in [0, 1, 2, 3] {
            let chain = table.tower(floors);
            let context = with(roots(&[&root]), json!({"max_verify_depth": depth}));
            table.add(&format!("{floors} authorities between, max_verify_depth {depth}"), chain, context);
        }
    }
    for (name, root_length, length) in
        [("root", Some(0), None), ("root 1", Some(1), None), ("authority", None, Some(0))]
    {
        let mut text = authority_text("root", "root");
        replace(&mut text, BASIC, Some(constraints(true, root_length)));
        let root = text.sign(&table.root, &table.root);
        let mut text = authority_text("upper", "root");
        replace(&mut text, BASIC, Some(constraints(true, length)));
        let upper = text.sign(&table.middle, &table.root);
        let lower = authority_text("lower", "upper").sign(&table.middle, &table.middle);
        let leaf = leaf_text("lower").sign(&table.leaf, &table.middle);
        table.add(
            &format!("two authorities and a path length of the {name}"),
            vec![leaf, lower, upper],
            roots(&[&root]),
        );
    }
}

fn policies(table: &mut Table) {
    const ONE: &str = "1.2.3.1";
    const TWO: &str = "1.2.3.2";
    const ANY: &str = "2.5.29.32.0";
    let explicit = || extension("2.5.29.36", true, &der::seq(&[&tlv(0x80, &[&[0]])]));
    let policy = |ids: &[&str]| der::policies(true, ids);
    table.leaf("critical policy", |leaf| leaf.extensions.push(policy(&[ONE])));
    table.leaf("policy twice", |leaf| leaf.extensions.push(policy(&[ONE, ONE])));
    table.leaf("broken policies", |leaf| leaf.extensions.push(extension("2.5.29.32", false, &[0x30, 9])));
    table.leaf("critical policy constraints", |leaf| leaf.extensions.push(explicit()));
    table.between("explicit policy required and none", |middle| middle.extensions.push(explicit()), |_| {});
    table.between(
        "explicit policy required and given",
        |middle| middle.extensions.extend([explicit(), policy(&[ONE])]),
        |leaf| leaf.extensions.push(policy(&[ONE])),
    );
    table.between(
        "explicit policy required and another given",
        |middle| middle.extensions.extend([explicit(), policy(&[ONE])]),
        |leaf| leaf.extensions.push(policy(&[TWO])),
    );
    table.between(
        "explicit policy required and any given",
        |middle| middle.extensions.extend([explicit(), policy(&[ANY])]),
        |leaf| leaf.extensions.push(policy(&[TWO])),
    );
    table.between(
        "any policy inhibited",
        |middle| {
            middle.extensions.extend([explicit(), policy(&[ANY]), extension("2.5.29.54", true, &[2, 1, 0])]);
        },
        |leaf| leaf.extensions.push(policy(&[ANY])),
    );
    let mapping =
        |from: &str, to: &str| extension("2.5.29.33", true, &der::seq(&[&der::seq(&[&der::oid(from), &der::oid(to)])]));
    table.between(
        "policy mapped",
        |middle| middle.extensions.extend([explicit(), policy(&[ONE]), mapping(ONE, TWO)]),
        |leaf| leaf.extensions.push(policy(&[TWO])),
    );
    table.between(
        "any policy mapped",
        |middle| middle.extensions.extend([policy(&[ANY]), mapping(ANY, TWO)]),
        |leaf| leaf.extensions.push(policy(&[TWO])),
    );
    table.between(
        "broken policy constraints",
        |middle| middle.extensions.push(extension("2.5.29.36", true, &[0x30, 0])),
        |_| {},
    );
}

fn crossed(table: &mut Table) {
    let root = table.root_der.clone();
    let other = authority_text("other", "other").sign(&table.other, &table.other);
    let (middle, leaf) = table.middle_der(|_| {}, |_| {});
    let by_other = authority_text("middle", "other").sign(&table.middle, &table.other);
    table.add(
        "crossed, the other way is trusted",
        vec![leaf.clone(), middle.clone(), by_other.clone()],
        roots(&[&other]),
    );
    table.add("crossed, both ways are trusted", vec![leaf.clone(), by_other.clone(), middle], roots(&[&root, &other]));
    let root_by_other = authority_text("root", "other").sign(&table.root, &table.other);
    let (middle, _) = table.middle_der(|_| {}, |_| {});
    table.add(
        "root crossed, itself trusted",
        vec![leaf.clone(), middle.clone(), root_by_other.clone()],
        roots(&[&root]),
    );
    table.add("root crossed, the other trusted", vec![leaf.clone(), middle, root_by_other], roots(&[&other]));
    let by_b = authority_text("a", "b").sign(&table.middle, &table.other);
    let by_a = authority_text("b", "a").sign(&table.other, &table.middle);
    let looped = leaf_text("a").sign(&table.leaf, &table.middle);
    table.add("loop", vec![looped, by_b, by_a], roots(&[&root]));
}

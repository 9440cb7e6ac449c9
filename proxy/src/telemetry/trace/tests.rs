//! Tests of contexts and samplers.

use config::matcher::Fraction;

use super::*;
use crate::wire::headers::{Headers, Name};

const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn found(value: &str) -> Found {
    let mut headers = Headers::new();
    headers.append(Name::TRACEPARENT, value.to_owned());
    Context::of_w3c(&headers)
}

#[test]
fn what_is_told_is_read_again() {
    let Found::Parent(context) = found(GOOD) else { panic!("it is good") };
    assert!(context.sampled);
    let mut headers = Headers::new();
    context.tell_w3c(&mut headers);
    assert_eq!(headers.get(&Name::TRACEPARENT).unwrap(), GOOD);
    let unsampled = Context { sampled: false, ..context };
    unsampled.tell_w3c(&mut headers);
    assert_eq!(Context::of_w3c(&headers), Found::Parent(unsampled));
    assert_eq!(Context::of_w3c(&Headers::new()), Found::Nothing);
}

#[test]
fn what_is_no_context_is_not_read() {
    for bad in [
        "",
        "garbage",
        &GOOD[1..],
        &format!("{GOOD}-more"),
        &GOOD.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
        &GOOD.replace("b7ad6b7169203331", "0000000000000000"),
        &GOOD.replace("0af7", "0ag7"),
        &GOOD.replace("-b7", "_b7"),
        &GOOD.replace("-01", "-0x"),
    ] {
        assert_eq!(found(bad), Found::Unreadable, "{bad}");
    }
    // As Envoy reads them: any version, capitals, and further flags.
    for good in ["ff-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-03", GOOD] {
        assert!(matches!(found(good), Found::Parent(Context { sampled: true, .. })), "{good}");
    }
}

#[test]
fn samplers_choose_as_envoy_does() {
    let id = |text: &str| {
        let mut id = [0; 16];
        let mut octets =
            text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        id.fill_with(|| octets.next().unwrap());
        id
    };
    // What Envoy 1.40 has answered.
    let (low, high) = (id("7e4a751563b743dfd9e1442d9a2d7db8"), id("0af7651916cd43dd8448eb211c80319c"));
    let half = Sampler::Ratio(Fraction { numerator: 50, denominator: 100 });
    assert_eq!([low, high].map(|trace| samples(&half, None, trace)), [true, false]);
    assert!(samples(&Sampler::AlwaysOn, Some(false), low));
    let parent = Sampler::ParentBased(Box::new(half));
    assert_eq!(
        [Some(true), Some(false), None].map(|parent_says| samples(&parent, parent_says, high)),
        [true, false, false]
    );
    assert!(samples(&parent, None, low));
}

//! Tests of `original_ip`.

use super::*;

fn headers(list: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in list {
        headers.append(Name::new(name), value.as_bytes().to_vec());
    }
    headers
}

fn by_header(reject: Option<u16>) -> OriginalIp {
    OriginalIp::Header { name: Name::new("x-ip"), trusted: true, reject }
}

fn peer() -> IpAddr {
    [127, 0, 0, 1].into()
}

fn found(ways: &[OriginalIp], list: &[(&str, &str)]) -> Result<Option<String>, u16> {
    Ok(detect(ways, &headers(list), peer())?.address.map(|address| address.to_string()))
}

#[test]
fn a_header_names_the_client() {
    let ways = [by_header(None)];
    assert_eq!(found(&ways, &[("x-ip", "5.5.5.5")]), Ok(Some("5.5.5.5".into())));
    assert_eq!(found(&ways, &[("x-ip", "5.5.5.5:80")]), Ok(None));
    assert_eq!(found(&ways, &[]), Ok(None));
    assert_eq!(found(&[by_header(Some(401))], &[]), Err(401));
}

#[test]
fn the_first_that_finds_somebody_counts() {
    let forwarded = OriginalIp::Forwarded { hops: 0, proxies: None, appends: false };
    let ways = [forwarded, by_header(Some(401))];
    assert_eq!(found(&ways, &[("x-forwarded-for", "1.1.1.1, 2.2.2.2")]), Ok(Some("2.2.2.2".into())));
    assert_eq!(found(&ways, &[("x-ip", "5.5.5.5")]), Ok(Some("5.5.5.5".into())));
    assert_eq!(found(&ways, &[]), Err(401));
}

#[test]
fn proxies_that_are_believed_are_left_out() {
    let ranges = |list: &[&str]| list.iter().map(|range| range.parse().unwrap()).collect();
    let ways = |proxies| [OriginalIp::Forwarded { hops: 0, proxies: Some(proxies), appends: false }];
    let both = ways(ranges(&["127.0.0.0/8", "10.0.0.0/8"]));
    let list = |value: &'static str| [("x-forwarded-for", value)];
    assert_eq!(found(&both, &list("7.7.7.7,1.1.1.1, 10.2.2.2,10.3.3.3")), Ok(Some("1.1.1.1".into())));
    assert_eq!(found(&both, &list("10.2.2.2,10.3.3.3")), Ok(Some("10.2.2.2".into())));
    // Nobody asked this one.
    assert_eq!(found(&ways(ranges(&["10.0.0.0/8"])), &list("10.2.2.2")), Ok(None));
}

#[test]
fn one_address_alone_may_be_internal() {
    let way = [OriginalIp::Forwarded { hops: 0, proxies: None, appends: true }];
    let of = |value: &str| detect(&way, &headers(&[("x-forwarded-for", value)]), peer()).unwrap();
    assert!(of("10.0.0.1").trusted);
    assert!(!of("1.1.1.1,10.0.0.1").trusted);
    assert!(of("").appends);
}

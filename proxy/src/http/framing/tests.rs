//! Tests of `framing`.

use super::*;

fn settled(lengths: &[&str], body: BodyLength, of_another: bool) -> Vec<String> {
    let mut headers = Headers::new();
    lengths.iter().for_each(|length| headers.append(Name::CONTENT_LENGTH, length.to_string()));
    settle(&mut headers, body, of_another);
    headers.iter().map(|header| String::from_utf8_lossy(&header.value).into_owned()).collect()
}

#[test]
fn only_the_length_that_a_body_has_is_told() {
    let none: [&str; 0] = [];
    for (lengths, body, of_another, told) in [
        (&["3"][..], BodyLength::Exact(3), false, &["3"][..]),
        (&["2"], BodyLength::Exact(3), false, &["3"]),
        (&["3", "2"], BodyLength::Exact(3), false, &["3"]),
        (&["x"], BodyLength::Exact(3), false, &["3"]),
        (&[], BodyLength::Exact(3), false, &none),
        (&["3"], BodyLength::Unknown, false, &none),
        (&["3"], BodyLength::UntilClose, false, &none),
        (&["0"], BodyLength::Empty, false, &["0"]),
        (&["5"], BodyLength::Empty, false, &none),
        (&["0", "5"], BodyLength::Empty, false, &none),
        (&["5"], BodyLength::Empty, true, &["5"]),
        (&["5", "2"], BodyLength::Empty, true, &["5"]),
    ] {
        assert_eq!(settled(lengths, body, of_another), told, "{lengths:?} {body:?}");
    }
}

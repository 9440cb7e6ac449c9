//! What differs on purpose: each is a row of `known.md`. Used by the test in [`super`] alone.

use outrigger_integration::parity::hostile::Case;

/// Why the two may differ here, if they may.
pub(super) fn why(case: &Case, [envoy, ours]: &[String; 2]) -> Option<&'static str> {
    let octets = case.pieces.concat().to_ascii_lowercase();
    let lines: Vec<&[u8]> = octets.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii).collect();
    let hosts = lines.iter().filter_map(|line| host(line));
    let refuses = ours.contains("log 400 http1.codec_error");
    if hosts.clone().count() > 1 && refuses {
        return Some("two hosts");
    }
    let is_ten = |line: &str| line.starts_with("log ") && line.contains(" ten /");
    let by_default = ours.contains(" / host: ten / ") || ours.lines().any(is_ten);
    if hosts.clone().any(<[u8]>::is_empty) && (ours.contains("missing_host_header") || by_default) {
        return Some("an empty host");
    }
    if refuses && lines.iter().any(|line| is_size_and_more(line)) {
        return Some("two readings of one length");
    }
    let targets: Vec<&[u8]> = lines.iter().filter_map(|line| target(line)).collect();
    if refuses && targets.iter().any(|target| target.ends_with(b"http/1.1")) {
        return Some("a target that looks like a version");
    }
    let (without_path, star) = (targets.iter().any(|target| has_no_path(target)), targets.contains(&&b"*"[..]));
    let as_a_whole = ours.contains("upstream OPTIONS * ");
    if without_path && (envoy.contains("log 404") || as_a_whole) {
        return Some("an empty path");
    }
    let never_ends = ours.contains("log 408 stream_idle_timeout SI OPTIONS ");
    let is_served = as_a_whole || never_ends;
    if star && ((envoy.contains("log 404") && is_served) || envoy.replace(" *\n", " /\n") == *ours) {
        return Some("the server as a whole");
    }
    let encodings = lines.iter().filter(|line| line.starts_with(b"transfer-encoding")).count();
    let disagrees = ["log 501 http1.invalid_transfer_encoding", "log 400 http1.content_length_and_chunked_not_allowed"];
    if encodings > 1 && disagrees.iter().any(|line| ours.contains(line)) {
        return Some("two lines of encodings");
    }
    if refuses && encodings > 0 && lines.iter().any(|line| is_no_length(line)) {
        return Some("a length that is none beside chunks");
    }
    // Envoy blames what it happens to see first, which depends on how the octets came.
    let blamed = |text: &str| {
        let faults = [
            "http1.invalid_characters",
            "http1.content_length_and_chunked_not_allowed",
            "http1.unexpected_underscore",
            "http1.invalid_url",
            "http1.body_disallowed",
        ];
        faults.iter().fold(text.to_owned(), |text, fault| text.replace(fault, "http1.codec_error"))
    };
    if blamed(envoy) == blamed(ours) {
        return Some("one of two faults");
    }
    if envoy.replace("content-length: 05", "content-length: 5") == *ours {
        return Some("one spelling of a length");
    }
    if ours.contains(" DPE ") && envoy.replace("HTTP/1.0 ", "HTTP/1.1 ") == *ours {
        return Some("the version of an answer to what is no head");
    }
    let of_body =
        ours.lines().any(|line| line.starts_with("log 400 http1.codec_error DPE ") && !line.contains("DPE - "));
    if of_body && follows_a_chunk(&octets) {
        return Some("what follows a chunk");
    }
    let is_control = |octet: &u8| octet.is_ascii_control() && !b"\t\r\n".contains(octet);
    let slow = envoy.contains("log 400 http1.codec_error") && ours.contains("log 408 request_header");
    if slow && octets.iter().any(is_control) {
        return Some("characters that no head may have");
    }
    if envoy.replace(" / te: ", "") == *ours {
        return Some("a list of nothing");
    }
    if envoy.contains("log 400 http1.body_disallowed") && ours.contains("log 501 http1.invalid_transfer_encoding") {
        return Some("one of two faults");
    }
    const QUEUED: &str = "log 0 codec_error:Too_many_responses_queued. DPE - - -\n";
    let last = envoy.split_once(QUEUED).and_then(|(before, _)| before.lines().last());
    if let Some((heard, lines)) = envoy.replacen(QUEUED, "", 1).split_once('\n')
        && last.is_some_and(|line| line.starts_with("log 400 missing_host_header "))
        && ours.starts_with(heard)
        && lines.lines().all(|line| ours.lines().any(|own| own == line))
    {
        return Some("a head behind an answer that is not sent yet");
    }
    let says_both = |line: &&[u8]| {
        let says = |token: &[u8]| line.split(|octet| matches!(octet, b':' | b',')).any(|one| one.trim_ascii() == token);
        line.starts_with(b"connection") && says(b"close") && says(b"keep-alive")
    };
    if lines.iter().any(says_both) && envoy.replacen("connection: keep-alive", "connection: close", 1) == *ours {
        return Some("an end that is asked for and not");
    }
    let ends_in_break = octets.last().is_some_and(|octet| matches!(octet, b'\r' | b'\n'));
    let late = |text: &str| if ends_in_break { without_late_head(text) } else { text.to_owned() };
    if late(envoy) == *ours {
        return Some("an empty line is no head");
    }
    // Several of these at once.
    let refused = ours.contains(" DPE ");
    let plain = |text: &str| {
        let text = blamed(text).replace("content-length: 05", "content-length: 5").replace(" / te: ", "");
        if refused { text.replace("HTTP/1.0 ", "HTTP/1.1 ") } else { text }
    };
    (late(&plain(envoy)) == plain(ours)).then_some("several of these")
}

/// Without the answer to a head that did not come, and its line in the log.
fn without_late_head(text: &str) -> String {
    const LOG: &str = "log 408 request_header_timeout - - - -\n";
    let begins = text.rfind("HTTP/1.1 408 Request Timeout");
    let ends = text.find('\n').unwrap_or(text.len());
    let Some(begins) = begins.filter(|begins| *begins < ends) else { return text.to_owned() };
    [&text[..begins], &text[ends..].replacen(LOG, "", 1)].concat()
}

/// The value of a host line.
fn host(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"host")?.trim_ascii_start();
    rest.strip_prefix(b":").map(<[u8]>::trim_ascii)
}

/// A line of a length that is no number.
fn is_no_length(line: &[u8]) -> bool {
    let value = line.strip_prefix(b"content-length").and_then(|rest| rest.trim_ascii_start().strip_prefix(b":"));
    value.map(<[u8]>::trim_ascii).is_some_and(|value| value.is_empty() || !value.iter().all(u8::is_ascii_digit))
}

/// What follows the first word of a line.
fn target(line: &[u8]) -> Option<&[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1)
}

/// `http://host`, or with a query right behind it.
fn has_no_path(target: &[u8]) -> bool {
    let at = target.windows(3).position(|window| window == b"://");
    let rest = at.map(|at| &target[at + 3..]);
    rest.is_some_and(|rest| {
        !rest.is_empty() && rest.split(|octet| *octet == b'?').next().is_some_and(|host| !host.contains(&b'/'))
    })
}

/// A chunk whose octets are followed by something else than a line break, or by nothing.
fn follows_a_chunk(octets: &[u8]) -> bool {
    let begins = octets.iter().enumerate().filter(|(_, octet)| **octet == b'\n').map(|(at, _)| at + 1);
    begins.into_iter().any(|begins| {
        let digits: Vec<u8> = octets[begins..].iter().copied().take_while(u8::is_ascii_hexdigit).collect();
        let size = std::str::from_utf8(&digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let (Some(size), Some(line)) = (size, octets[begins..].iter().position(|octet| *octet == b'\n')) else {
            return false;
        };
        let after = (begins + line + 1).saturating_add(size);
        size > 0 && !octets.get(after..).is_some_and(|rest| rest.starts_with(b"\r\n"))
    })
}

/// A number, white space, and something else.
fn is_size_and_more(line: &[u8]) -> bool {
    let size = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
    size > 0
        && line.get(size).is_some_and(u8::is_ascii_whitespace)
        && !line[size..].trim_ascii_start().starts_with(b";")
}

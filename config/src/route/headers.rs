//! Header changes of routes, virtual hosts, tables and weighted clusters. Called by this folder.

use std::borrow::Cow;
use std::sync::Arc;

use super::{AppendAction, HeaderAdd, HeaderChanges};
use crate::access_log;
use crate::field_rules;
use crate::proto::{self, core::v3 as core};
use crate::rejection::{At, Rejection};

/// The four lists of one level.
pub(super) struct Lists<'a> {
    pub request_add: &'a [core::HeaderValueOption],
    pub request_remove: &'a [String],
    pub response_add: &'a [core::HeaderValueOption],
    pub response_remove: &'a [String],
}

/// All changes of one level.
pub(super) fn changes(at: &At<'_>, lists: &Lists<'_>) -> Result<HeaderChanges, Rejection> {
    Ok(HeaderChanges {
        request_add: additions(&at.field("request_headers_to_add"), lists.request_add, 1000)?,
        request_remove: removals(&at.field("request_headers_to_remove"), lists.request_remove)?,
        response_add: additions(&at.field("response_headers_to_add"), lists.response_add, 1000)?,
        response_remove: removals(&at.field("response_headers_to_remove"), lists.response_remove)?,
    })
}

/// Header names that are only looked for, lower case.
pub(super) fn names(at: &At<'_>, list: &[String]) -> Result<Vec<Arc<str>>, Rejection> {
    list.iter().enumerate().map(|(index, name)| field_rules::header_name(&at.index(index), name)).collect()
}

/// Header names that are taken out, lower case.
pub(crate) fn removals(at: &At<'_>, list: &[String]) -> Result<Vec<Arc<str>>, Rejection> {
    list.iter().enumerate().map(|(index, name)| field_rules::mutable_header_name(&at.index(index), name)).collect()
}

/// Headers that are added or set, at most so many.
pub(crate) fn additions(
    at: &At<'_>,
    list: &[core::HeaderValueOption],
    most: usize,
) -> Result<Vec<HeaderAdd>, Rejection> {
    if list.len() > most {
        return Err(at.reject(format!("must have at most {most} elements")));
    }
    list.iter().enumerate().map(|(index, one)| addition(&at.index(index), one)).collect()
}

/// Header values had commands of their own before there was one language for all: they stand for those of today.
fn as_formats_are_now(text: &str) -> Cow<'_, str> {
    let state = |key: &str| (!key.is_empty()).then(|| format!("%FILTER_STATE({key}:PLAIN)%"));
    let mut text = replaced(text.into(), "%PER_REQUEST_STATE(", ")%", state);
    for of in ["%DYNAMIC_METADATA(", "%UPSTREAM_METADATA("] {
        let path = |keys: &str| {
            let keys: Vec<String> = serde_json::from_str(&format!("[{keys}]")).ok()?;
            (!keys.is_empty()).then(|| format!("{of}{})%", keys.join(":")))
        };
        text = replaced(text, &format!("{of}["), "])%", path);
    }
    text
}

/// Each part between these two by what it stands for, if it stands for anything.
fn replaced<'t>(text: Cow<'t, str>, begins: &str, ends: &str, with: impl Fn(&str) -> Option<String>) -> Cow<'t, str> {
    if !text.contains(begins) {
        return text;
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), &*text);
    while let Some((before, after)) = rest.split_once(begins) {
        out.push_str(before);
        let part = after.split_once(ends).and_then(|(part, tail)| Some((with(part)?, tail)));
        match part {
            Some((new, tail)) => {
                out.push_str(&new);
                rest = tail;
            }
            None => {
                out.push_str(begins);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.into()
}

/// A header that is added or set.
pub(crate) fn addition(at: &At<'_>, proto: &core::HeaderValueOption) -> Result<HeaderAdd, Rejection> {
    use core::header_value_option::HeaderAppendAction;
    let at_header = at.field("header");
    let header = field_rules::required(&at_header, &proto.header)?;
    let at_value = at_header.field("value");
    let raw;
    let text = if header.value.is_empty() && !header.raw_value.is_empty() {
        raw =
            std::str::from_utf8(&header.raw_value).map_err(|_| at_header.field("raw_value").reject("is not UTF-8"))?;
        raw
    } else {
        &header.value
    };
    field_rules::header_value(&at_value, text)?;
    let mut value = access_log::decode::text_format(&at_value, &as_formats_are_now(text))?;
    // A missing value adds nothing to a header, where a log prints a dash.
    value.omit_empty = true;
    if proto.append.is_some() && proto.append_action != 0 {
        return Err(at
            .field("append")
            .reject("Both append and append_action are set and it's not allowed; take append out"));
    }
    let action = match &proto.append {
        Some(append) if append.value => AppendAction::AppendOrAdd,
        Some(_) => AppendAction::OverwriteOrAdd,
        None => match proto::defined::<HeaderAppendAction>(&at.field("append_action"), proto.append_action)? {
            HeaderAppendAction::AppendIfExistsOrAdd => AppendAction::AppendOrAdd,
            HeaderAppendAction::AddIfAbsent => AppendAction::AddIfAbsent,
            HeaderAppendAction::OverwriteIfExistsOrAdd => AppendAction::OverwriteOrAdd,
            HeaderAppendAction::OverwriteIfExists => AppendAction::OverwriteIfExists,
        },
    };
    let name = field_rules::mutable_header_name(&at_header.field("key"), &header.key)?;
    Ok(HeaderAdd { name, value, action, keep_empty: proto.keep_empty_value })
}

#[cfg(test)]
mod tests;

//! `/config_dump`: what the configuration is, resource by resource as it was received, secrets redacted.
//!
//! An answer may be many megabytes. It is made piece by piece while it is sent: descriptors and one resource at a time are in memory,
//! and what was used is given back to the system afterwards.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use config::descriptors::Descriptors;
use config::matcher::re2;
use futures_util::stream;

use super::query::Query;
use super::{Admin, reply};
use crate::status::Shown;

mod endpoints;
mod inline;
mod outline;
mod sections;
mod tree;

use outline::{Mask, Piece};
pub use tree::Tree;

/// Answers with the parts that the query asks for.
pub fn show(admin: &Admin, query: &Query, shown: &Shown) -> Response {
    let pattern = query.get("name_regex").unwrap_or_default();
    let names = match (!pattern.is_empty()).then(|| re2::asked(pattern)).transpose() {
        Ok(names) => names,
        Err(reason) => {
            let text = format!("INVALID_ARGUMENT: Error while parsing name_regex from {pattern}: {reason}");
            return reply::failure(StatusCode::BAD_REQUEST, text);
        }
    };
    let mask = query.get("mask").map(Mask::parse).filter(|mask| !mask.is_empty());
    let mut sections = sections::all(admin, shown, query.has("include_eds"));
    if let Some(names) = &names {
        sections.iter_mut().for_each(|section| section.keep_names(|name| names.is_match(name.as_bytes())));
    }
    if let Some(field) = query.get("resource").filter(|field| !field.is_empty()) {
        return one_list(sections, field, mask);
    }
    if let Some(mask) = &mask {
        sections.retain_mut(|section| section.trim(mask));
        if sections.is_empty() {
            let text = format!("FieldMask {} could not be successfully applied to any configs.", mask.text());
            return reply::failure(StatusCode::BAD_REQUEST, text);
        }
    }
    let configs = sections.into_iter().map(sections::Section::into_node).collect();
    answer(outline::flatten(configs), None)
}

fn one_list(sections: Vec<sections::Section>, field: &str, mask: Option<Mask>) -> Response {
    if sections.iter().any(|section| section.has_single(field)) {
        let text = format!("{field} is not a repeated field. Use ?mask={field} to get only this field");
        return reply::failure(StatusCode::BAD_REQUEST, text);
    }
    let Some(list) = sections.into_iter().find_map(|section| section.into_list(field)) else {
        return reply::failure(StatusCode::NOT_FOUND, format!("{field} not found in config dump"));
    };
    if let Some(mask) = mask.as_ref().filter(|mask| !list.is_masked_by(mask)) {
        let text = format!("FieldMask {} could not be successfully used.", mask.text());
        return reply::failure(StatusCode::BAD_REQUEST, text);
    }
    answer(outline::flatten(list.into_nodes()), mask)
}

/// A message as a tree, redacted; `None` when this build does not know its type.
pub fn message_tree(type_url: &str, bytes: &[u8]) -> Option<Tree> {
    tree::message(&mut Descriptors::new(), type_url, bytes)
}

/// A piece goes out when it is this large.
const CHUNK: usize = 16 * 1024;

struct Dump {
    pieces: std::vec::IntoIter<Piece>,
    /// For the elements of a single list.
    mask: Option<Mask>,
    descriptors: Option<Descriptors>,
}

fn answer(pieces: Vec<Piece>, mask: Option<Mask>) -> Response {
    let dump = Dump { pieces: pieces.into_iter(), mask, descriptors: Some(Descriptors::new()) };
    let chunks = stream::unfold(dump, |mut dump| async move {
        // Other tasks of the control thread get their turn between pieces.
        tokio::task::yield_now().await;
        let chunk = dump.next_chunk()?;
        Some((Ok::<_, std::convert::Infallible>(chunk), dump))
    });
    reply::json(Body::from_stream(chunks))
}

impl Dump {
    fn next_chunk(&mut self) -> Option<Bytes> {
        let descriptors = self.descriptors.as_mut()?;
        let mut out = String::with_capacity(CHUNK + CHUNK / 2);
        while out.len() < CHUNK {
            match self.pieces.next() {
                Some(Piece::Text(text)) => out.push_str(&text),
                Some(Piece::Leaf { leaf, depth }) => leaf.write(descriptors, self.mask.as_ref(), depth, &mut out),
                None => break,
            }
        }
        (!out.is_empty()).then(|| Bytes::from(out))
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        self.descriptors = None;
        self.pieces = Vec::new().into_iter();
        crate::sys::trim_memory();
    }
}

#[cfg(test)]
mod tests;

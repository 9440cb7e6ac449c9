//! Merge keys: what `<<` names stands below what a mapping says itself, the first of several above the next. Works on JSON text.

use serde_json::value::RawValue;

use super::super::members::Members;

/// The mapping with the members of others that it lacks. Each of the others is a mapping, or a list of them.
pub(super) fn over(own: &str, others: &[String]) -> Result<String, String> {
    let mut whole = members(own)?;
    for other in others {
        let list: Vec<&RawValue> = match other.starts_with('[') {
            true => serde_json::from_str(other).map_err(|error| error.to_string())?,
            false => vec![serde_json::from_str(other).map_err(|error| error.to_string())?],
        };
        for mapping in list {
            let more = members(mapping.get())?;
            let is_new = |name: &str| whole.0.iter().all(|(known, _)| known != name);
            let more: Vec<_> = more.0.into_iter().filter(|(name, _)| is_new(name)).collect();
            whole.0.extend(more);
        }
    }
    Ok(super::super::read::object(&whole.0))
}

fn members(text: &str) -> Result<Members<'_>, String> {
    if !text.starts_with('{') {
        return Err("<< needs a mapping, or a list of mappings".to_owned());
    }
    serde_json::from_str(text).map_err(|error| {
        let error = crate::discreet::of_json(&error);
        error.split(" at line ").next().unwrap_or_default().to_owned()
    })
}

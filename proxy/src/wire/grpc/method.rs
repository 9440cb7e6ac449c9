//! The method that a gRPC request's path names: `/package.Service/Method`. Used by filters and by the statistics of clusters.

use std::borrow::Cow;

/// A service and its method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method<'p> {
    /// `service/method`, whatever slashes the path has.
    key: Cow<'p, str>,
    service: usize,
}

impl<'p> Method<'p> {
    /// Of a path; its query does not matter. `None` for what does not have two parts.
    pub fn of(path: &'p [u8]) -> Option<Method<'p>> {
        let path = std::str::from_utf8(super::before_query(path)).ok()?;
        let path = path.trim_matches('/');
        let (service, method) = path.split_once('/')?;
        let direct = method.trim_start_matches('/');
        if service.is_empty() || direct.is_empty() || direct.contains('/') {
            return None;
        }
        let key = if direct.len() == method.len() { Cow::Borrowed(path) } else { format!("{service}/{direct}").into() };
        Some(Method { key, service: service.len() })
    }

    /// `service/method`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Service and method.
    pub fn names(&self) -> (&str, &str) {
        (&self.key[..self.service], &self.key[self.service + 1..])
    }
}

#[cfg(test)]
mod tests;

//! Entity tags (RFC 9110, section 8.8.3), so that nobody overwrites what another changed in the meantime: the
//! revision where there is one, and a digest of the content everywhere else.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{ETAG, IF_MATCH};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use mantyx_core::{Code, Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::ApiError;

/// What `If-Match` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Nothing, or whatever is there.
    Any,
    /// What has this tag.
    Tag(String),
}

impl IfMatch {
    /// The revision that it must be.
    pub(crate) fn revision(&self) -> Result<Option<u32>> {
        let Self::Tag(tag) = self else { return Ok(None) };
        tag.parse().map(Some).map_err(|_| unreadable(&format!("\"{tag}\"")))
    }

    /// Refuses when another tag is asked for than that of what is there.
    pub(crate) fn refuse_other(&self, current: &str) -> Result<()> {
        match self {
            Self::Tag(tag) if tag != current => {
                Err(Error::new(Code::Stale, "It was changed since it was read")
                    .hint("Read it again, and change that"))
            }
            Self::Any | Self::Tag(_) => Ok(()),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let tag = text.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let tag = tag.filter(|tag| !tag.is_empty() && !tag.contains('"')).ok_or_else(|| unreadable(text))?;
        Ok(Self::Tag(tag.to_owned()))
    }
}

fn unreadable(text: &str) -> Error {
    Error::new(Code::Malformed, format!("`If-Match: {text}` names no revision"))
        .hint("Send the `ETag` of what was read, with its quotes, such as `\"3\"`")
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request.headers().get(IF_MATCH);
        let parsed = header.map_or(Ok(Self::Any), |value| Self::parse(value.to_str().unwrap_or_default()));
        ready(parsed.map_err(ApiError::from))
    }
}

/// The tag of something that counts no revisions: the same for the same content.
pub(crate) fn digest(content: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(content).map_err(|error| Error::internal("write a tag", error))?;
    Ok(hex::encode(&Sha256::digest(json)[..16]))
}

/// Something with its tag.
pub(crate) fn tagged(tag: &str, view: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, format!("\"{tag}\""))).json(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_strong_tag() {
        assert_eq!(IfMatch::parse("\"3\"").unwrap(), IfMatch::Tag("3".into()));
        assert_eq!(IfMatch::parse("*").unwrap(), IfMatch::Any);
        for other in ["", "3", "W/\"3\"", "\"3\", \"4\"", "\"", "\"\""] {
            assert_eq!(IfMatch::parse(other).unwrap_err().code(), Code::Malformed, "{other}");
        }
    }

    #[test]
    fn a_revision_is_a_number() {
        assert_eq!(IfMatch::Any.revision().unwrap(), None);
        assert_eq!(IfMatch::Tag("3".into()).revision().unwrap(), Some(3));
        for other in ["x", "-1"] {
            assert_eq!(IfMatch::Tag(other.into()).revision().unwrap_err().code(), Code::Malformed, "{other}");
        }
    }

    #[test]
    fn the_same_content_has_the_same_tag_and_no_other() {
        let tag = digest(&("a", 1)).unwrap();
        assert_eq!(tag, digest(&("a", 1)).unwrap());
        assert!(IfMatch::Tag(tag.clone()).refuse_other(&tag).is_ok());
        assert!(IfMatch::Any.refuse_other(&tag).is_ok());
        let other = IfMatch::Tag(digest(&("a", 2)).unwrap());
        assert_eq!(other.refuse_other(&tag).unwrap_err().code(), Code::Stale);
    }
}

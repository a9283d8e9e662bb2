//! Entity tags (RFC 9110, section 8.8.3), so that nobody overwrites what another changed in the meantime: the
//! revision where there is one, and a digest of the content everywhere else.

use std::future::{Ready, ready};
use std::io;

use actix_web::dev::Payload;
use actix_web::http::header::{ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use mantyx_core::{Code, Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::ApiError;

/// Between a revision and the digest of what changes by itself beside it.
const REST: char = '-';

/// What `If-Match` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Nothing.
    Absent,
    /// That something is there, whatever it is.
    Any,
    /// What has this tag.
    Tag(String),
}

impl IfMatch {
    /// The revision that it must be.
    pub(crate) fn revision(&self) -> Result<Option<u32>> {
        let Self::Tag(tag) = self else { return Ok(None) };
        let number = tag.split_once(REST).map_or(tag.as_str(), |(number, _)| number);
        number.parse().map(Some).map_err(|_| unreadable(&format!("\"{tag}\"")))
    }

    /// Refuses when another tag is asked for than that of what is there.
    pub(crate) fn refuse_other(&self, current: &str) -> Result<()> {
        match self {
            Self::Tag(tag) if tag != current => {
                Err(Error::new(Code::Stale, "It was changed since it was read")
                    .hint("Read it again, and change that"))
            }
            Self::Absent | Self::Any | Self::Tag(_) => Ok(()),
        }
    }

    /// The same for what need not be there: then it has no tag, and none that is asked for (RFC 9110, section 13.1.1).
    pub(crate) fn refuse_missing_or_other(&self, current: Option<&str>) -> Result<()> {
        match (self, current) {
            (Self::Absent, _) => Ok(()),
            (_, Some(current)) => self.refuse_other(current),
            (_, None) => Err(Error::new(Code::Stale, "Nothing is there that could be replaced")
                .hint("Was it removed meanwhile? Look at what is there")),
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
        let parsed = header.map_or(Ok(Self::Absent), |value| Self::parse(value.to_str().unwrap_or_default()));
        ready(parsed.map_err(ApiError::from))
    }
}

/// What the client says in `If-None-Match` that it has, and does not want to have again or to replace (RFC 9110, section
/// 13.1.2).
#[derive(Clone, Debug)]
pub(crate) struct IfNoneMatch(Vec<String>);

impl IfNoneMatch {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let said = headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
        Self(said.flat_map(|value| value.split(',')).map(|one| one.trim().to_owned()).collect())
    }

    /// Whether it names a tag, with its quotes.
    fn names(&self, tag: &HeaderValue) -> bool {
        self.0.iter().any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    }

    /// Refuses to replace what is there, when that is named.
    pub(crate) fn refuse_named(&self, current: Option<&str>) -> Result<()> {
        match current {
            Some(current) if self.names(&quoted(current)?) => {
                Err(Error::new(Code::Stale, "There is one already, and it was asked not to replace it")
                    .hint("Look at what is there before it is replaced"))
            }
            _ => Ok(()),
        }
    }
}

/// The tag of something that counts no revisions: the same for the same content.
pub(crate) fn digest(content: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(content).map_err(|error| Error::internal("write a tag", error))?;
    Ok(digest_of(&json))
}

/// The same of what is JSON already.
pub(crate) fn digest_of(json: &[u8]) -> String {
    hex::encode(&Sha256::digest(json)[..16])
}

/// The tag of something of which a part has revisions and the rest changes by itself, as the state of an app does. Sent
/// back as `If-Match`, it asks for the revision alone; as `If-None-Match`, for all of it.
pub(crate) fn revised(revision: u32, content: &impl Serialize) -> Result<String> {
    Ok(format!("{revision}{REST}{}", digest(content)?))
}

/// A tag as it is sent.
pub(crate) fn quoted(tag: &str) -> Result<HeaderValue> {
    format!("\"{tag}\"").try_into().map_err(|error| Error::internal("write a tag", io::Error::other(error)))
}

/// Whether the client has what has this tag, with its quotes.
pub(crate) fn is_had(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    IfNoneMatch::of(headers).names(tag)
}

/// Something with its tag, or only the tag for whoever has it.
pub(crate) fn tagged_unless_had(
    headers: &HeaderMap,
    tag: &str,
    view: &impl Serialize,
) -> Result<HttpResponse> {
    let sent = quoted(tag)?;
    Ok(if is_had(headers, &sent) { not_modified(sent) } else { tagged(tag, view) })
}

/// What is told to somebody who has it.
pub(crate) fn not_modified(tag: HeaderValue) -> HttpResponse {
    HttpResponse::NotModified().insert_header((ETAG, tag)).finish()
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
        assert_eq!([IfMatch::Absent, IfMatch::Any].map(|asked| asked.revision().unwrap()), [None; 2]);
        assert_eq!(IfMatch::Tag("3".into()).revision().unwrap(), Some(3));
        assert_eq!(IfMatch::Tag(revised(3, &"x").unwrap()).revision().unwrap(), Some(3));
        for other in ["x", "-1"] {
            assert_eq!(IfMatch::Tag(other.into()).revision().unwrap_err().code(), Code::Malformed, "{other}");
        }
    }

    #[test]
    fn who_has_it_may_say_so_in_a_list_and_weakly() {
        let had = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            }
            is_had(&headers, &quoted("a1").unwrap())
        };
        for values in [&["\"a1\""][..], &["*"], &["W/\"a1\""], &["\"b\", \"a1\""], &["\"b\"", "\"a1\""]] {
            assert!(had(values), "{values:?}");
        }
        for values in [&[][..], &[""], &["a1"], &["\"a\""], &["\"a1"]] {
            assert!(!had(values), "{values:?}");
        }
    }

    #[test]
    fn the_same_content_has_the_same_tag_and_no_other() {
        let tag = digest(&("a", 1)).unwrap();
        assert_eq!(tag, digest(&("a", 1)).unwrap());
        assert!(IfMatch::Tag(tag.clone()).refuse_other(&tag).is_ok());
        assert!([IfMatch::Absent, IfMatch::Any].iter().all(|asked| asked.refuse_other(&tag).is_ok()));
        let other = IfMatch::Tag(digest(&("a", 2)).unwrap());
        assert_eq!(other.refuse_other(&tag).unwrap_err().code(), Code::Stale);
    }

    #[test]
    fn what_is_missing_matches_nothing() {
        assert!(IfMatch::Absent.refuse_missing_or_other(None).is_ok());
        for asked in [IfMatch::Any, IfMatch::Tag("a".into())] {
            assert_eq!(asked.refuse_missing_or_other(None).unwrap_err().code(), Code::Stale, "{asked:?}");
            assert!(asked.refuse_missing_or_other(Some("a")).is_ok(), "{asked:?}");
        }
        let other = IfMatch::Tag("b".into());
        assert_eq!(other.refuse_missing_or_other(Some("a")).unwrap_err().code(), Code::Stale);
    }

    #[test]
    fn what_the_client_names_is_not_replaced() {
        let named = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(value));
            IfNoneMatch::of(&headers)
        };
        for value in ["*", "\"a\"", "\"b\", W/\"a\""] {
            let refused = named(value).refuse_named(Some("a"));
            assert_eq!(refused.unwrap_err().code(), Code::Stale, "{value}");
            assert!(named(value).refuse_named(None).is_ok(), "{value}");
        }
        assert!(named("\"b\"").refuse_named(Some("a")).is_ok());
        assert!(IfNoneMatch::of(&HeaderMap::new()).refuse_named(Some("a")).is_ok());
    }
}

//! Parts of what is long (RFC 9110, section 14): a download that broke off is gone on with where it ended.

use std::io::{Result, SeekFrom};

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, ByteRangeSpec, CONTENT_DISPOSITION, CONTENT_RANGE, ContentDisposition, IF_RANGE, RANGE,
    Range,
};
use actix_web::{HttpRequest, HttpResponse};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// Which part of a file was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole { length: u64 },
    Some { first: u64, last: u64, length: u64 },
    Beyond { length: u64 },
}

impl Part {
    /// One part can be asked for; who asks for several, or for something else, gets all of it (RFC 9110, section 14.2).
    pub(crate) fn of(request: &HttpRequest, length: u64, tag: Option<&str>) -> Self {
        let range = request.headers().get(RANGE).and_then(|value| value.to_str().ok());
        if other_is_wanted(request, tag) {
            return Self::Whole { length };
        }
        let Some(Ok(Range::Bytes(specs))) = range.map(str::parse::<Range>) else {
            return Self::Whole { length };
        };
        let [spec] = specs.as_slice() else { return Self::Whole { length } };
        Self::of_spec(spec, length)
    }

    fn of_spec(spec: &ByteRangeSpec, length: u64) -> Self {
        match spec.to_satisfiable_range(length) {
            Some((first, last)) => Self::Some { first, last, length },
            None => Self::Beyond { length },
        }
    }

    /// Whether anything of it is given away, wherever that begins.
    pub(crate) fn has_bytes(self) -> bool {
        match self {
            Self::Whole { .. } | Self::Some { .. } => true,
            Self::Beyond { .. } => false,
        }
    }

    /// The part as it is read from the file, which is as long as it was said to be.
    pub(crate) async fn answer(
        self,
        mut file: File,
        media_type: &str,
        disposition: Option<ContentDisposition>,
    ) -> Result<HttpResponse> {
        let (status, first, count) = match self {
            Self::Whole { length } => (StatusCode::OK, 0, length),
            Self::Some { first, last, .. } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Self::Beyond { length } => {
                let range = (CONTENT_RANGE, format!("bytes */{length}"));
                return Ok(HttpResponse::RangeNotSatisfiable().insert_header(range).finish());
            }
        };
        file.seek(SeekFrom::Start(first)).await?;
        let bytes = ReaderStream::with_capacity(file.take(count), BLOCK);
        let mut response = HttpResponse::build(status);
        response.insert_header((ACCEPT_RANGES, "bytes"));
        if let Self::Some { first, last, length } = self {
            response.insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{length}")));
        }
        if let Some(disposition) = disposition {
            response.insert_header((CONTENT_DISPOSITION, disposition));
        }
        Ok(response.content_type(media_type).body(SizedStream::new(count, bytes)))
    }
}

/// Whether a part is wanted of something else than what is there now (RFC 9110, section 13.1.5).
fn other_is_wanted(request: &HttpRequest, tag: Option<&str>) -> bool {
    let wanted = request.headers().get(IF_RANGE).map(|value| value.to_str().unwrap_or_default());
    wanted.is_some_and(|wanted| tag.is_none_or(|tag| wanted != format!("\"{tag}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn part(range: &str) -> Part {
        Part::of(&TestRequest::get().insert_header((RANGE, range)).to_http_request(), 100, None)
    }

    #[test]
    fn one_part_can_be_asked_for() {
        let some = |first, last| Part::Some { first, last, length: 100 };
        assert_eq!(Part::of(&TestRequest::get().to_http_request(), 100, None), Part::Whole { length: 100 });
        assert_eq!(part("bytes=0-9"), some(0, 9));
        assert_eq!(part("bytes=90-"), some(90, 99));
        assert_eq!(part("bytes=90-1000"), some(90, 99));
        assert_eq!(part("bytes=-10"), some(90, 99));
        assert_eq!(part("bytes=100-"), Part::Beyond { length: 100 });
        for whole in ["bytes=0-1,5-6", "lines=1-2", "bytes=x"] {
            assert_eq!(part(whole), Part::Whole { length: 100 }, "{whole}");
        }
        assert!(part("bytes=0-9").has_bytes() && part("bytes=1-").has_bytes());
        assert!(!part("bytes=100-").has_bytes());
    }

    #[test]
    fn a_part_of_what_was_there_before_is_all_of_what_is_there_now() {
        let part = |wanted: &str, tag| {
            let request =
                TestRequest::get().insert_header((RANGE, "bytes=90-")).insert_header((IF_RANGE, wanted));
            Part::of(&request.to_http_request(), 100, tag)
        };
        let (rest, whole) = (Part::Some { first: 90, last: 99, length: 100 }, Part::Whole { length: 100 });
        assert_eq!(part("\"a\"", Some("a")), rest);
        for (wanted, tag) in [("\"b\"", Some("a")), ("W/\"a\"", Some("a")), ("\"a\"", None)] {
            assert_eq!(part(wanted, tag), whole, "{wanted}");
        }
    }
}

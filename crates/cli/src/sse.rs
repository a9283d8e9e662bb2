//! Server-sent events (WHATWG HTML, section 9.2), as far as Mantyx sends them.

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type; `message` when it has none.
    pub(crate) name: String,
    /// Its lines of data.
    pub(crate) data: String,
    /// With this one asks for what comes behind it.
    pub(crate) id: Option<String>,
}

/// Puts events together from pieces that are cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Parser(Vec<u8>);

impl Parser {
    /// The events that are complete with this piece.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<Event> {
        self.0.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.0.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.0.drain(..end + 2).collect();
            events.extend(parse(&String::from_utf8_lossy(&block)));
        }
        events
    }
}

/// One block of lines; a block of comments is no event.
fn parse(block: &str) -> Option<Event> {
    let mut name = "message";
    let (mut data, mut id): (Option<String>, Option<String>) = (None, None);
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut data) {
            ("event", _) => name = value,
            ("id", _) => id = Some(value.to_owned()),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", None) => data = Some(value.to_owned()),
            _ => {}
        }
    }
    data.map(|data| Event { name: name.to_owned(), data, id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into(), id: None }
    }

    #[test]
    fn comments_are_no_data_and_an_id_is_of_its_event() {
        let events =
            Parser::default().push(b": \n\nid: 7\ndata: a\ndata:b\n\nevent: end\ndata: {}\n\ndata: half");
        let numbered = Event { id: Some("7".into()), ..event("message", "a\nb") };
        assert_eq!(events, [numbered, event("end", "{}")]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_pieces_are_cut(texts in prop::collection::vec("[^\r\n]{0,12}", 0..6), cut in 1_usize..9) {
            let stream = texts.iter().fold(String::new(), |stream, text| stream + "data: " + text + "\n\n");
            let mut parser = Parser::default();
            let events: Vec<Event> = stream.as_bytes().chunks(cut).flat_map(|piece| parser.push(piece)).collect();
            prop_assert_eq!(events, texts.iter().map(|text| event("message", text)).collect::<Vec<_>>());
        }
    }
}

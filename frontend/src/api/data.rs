//! The calls about an app's own files.

use mantyx_api_types::{DataEntry, Page};
use web_sys::Blob;

use super::Client;
use super::client::{Answer, Call, FileText, encoded, encoded_path};
use super::upload::{Overwrite, Progress, Sending};

/// How many entries of a folder come at once.
const PAGE: u32 = 200;

impl Client {
    /// What is in a folder, from behind where a page ended.
    pub(crate) fn data(self, app: &str, folder: &str, cursor: Option<&str>) -> Call<Page<DataEntry>> {
        let behind = cursor.map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
        self.get(&format!("{}?limit={PAGE}{behind}", address(app, folder)))
    }

    /// A file as text where it is one, and the tag that it has as it is now.
    pub(crate) async fn data_text(self, app: &str, path: &str) -> Answer<(FileText, String)> {
        self.tagged_text(&address(app, path)).await
    }

    /// Another text for a file that still has this tag.
    pub(crate) fn put_data_text(self, app: &str, path: &str, text: String, tag: &str) -> Call<DataEntry> {
        self.send_text_if(&address(app, path), text, tag)
    }

    /// A new file, or another content for one where that is said.
    pub(crate) async fn put_data(
        self,
        app: &str,
        path: &str,
        file: &Blob,
        overwrite: Overwrite,
        progress: impl Fn(Progress) + 'static,
    ) -> Answer<DataEntry> {
        self.transmit("PUT", &address(app, path), Sending::Bytes(file, overwrite), progress).await
    }

    /// Removes a file, or a folder with all that is in it.
    pub(crate) fn remove_data(self, app: &str, path: &str) -> Call<()> {
        self.tell("DELETE", &format!("{}?recursive=true", address(app, path)))
    }

    /// An address that a file can be fetched from once, within half a minute: a link carries no token.
    pub(crate) async fn data_address(self, app: &str, path: &str) -> Answer<String> {
        let ticket = self.live_ticket().await?.ticket;
        Ok(format!("{}?ticket={}", address(app, path), encoded(&ticket)))
    }
}

/// The address of a file or a folder; without a path that of all of them.
fn address(app: &str, path: &str) -> String {
    let path = if path.is_empty() { String::new() } else { format!("/{}", encoded_path(path)) };
    format!("/api/apps/{app}/data{path}")
}

//! Uploads: by `XMLHttpRequest`, the one way that tells how far the bytes have come.

use mantyx_api_types::{AppCreated, OperationView};
use serde::de::DeserializeOwned;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, FormData, ProgressEvent, XmlHttpRequest};

use super::client::Answer;
use super::{Client, Failure, json};

/// How much of an upload has left, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Progress(pub(crate) f64);

/// Whether a file may take the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// It is refused as stale when one is there.
    Refuse,
    /// It replaces whatever is there.
    Replace,
}

/// How a file is sent.
pub(super) enum Sending<'a> {
    /// As the field of a form, under a name.
    Form(&'a Blob, &'a str),
    /// By itself.
    Bytes(&'a Blob, Overwrite),
}

impl Client {
    /// A new app from an archive.
    pub(crate) async fn add_archive(
        self,
        file: &Blob,
        name: &str,
        progress: impl Fn(Progress) + 'static,
    ) -> Answer<AppCreated> {
        self.upload("/api/apps/upload/archive", file, name, progress).await
    }

    /// A new app from one Python file.
    pub(crate) async fn add_script(
        self,
        file: &Blob,
        name: &str,
        progress: impl Fn(Progress) + 'static,
    ) -> Answer<AppCreated> {
        self.upload("/api/apps/upload/script", file, name, progress).await
    }

    /// Another release of an app, from an archive.
    pub(crate) async fn update_from_archive(
        self,
        app: &str,
        file: &Blob,
        name: &str,
        progress: impl Fn(Progress) + 'static,
    ) -> Answer<OperationView> {
        self.upload(&format!("/api/apps/{app}/update/archive"), file, name, progress).await
    }

    /// Another release of an app, from one Python file.
    pub(crate) async fn update_from_script(
        self,
        app: &str,
        file: &Blob,
        name: &str,
        progress: impl Fn(Progress) + 'static,
    ) -> Answer<OperationView> {
        self.upload(&format!("/api/apps/{app}/update/script"), file, name, progress).await
    }

    pub(super) async fn upload<T: DeserializeOwned>(
        self,
        path: &str,
        file: &Blob,
        name: &str,
        progress: impl Fn(Progress) + 'static,
    ) -> Answer<T> {
        self.transmit("POST", path, Sending::Form(file, name), progress).await
    }

    /// Sends a file, and reads what that is answered with.
    pub(super) async fn transmit<T: DeserializeOwned>(
        self,
        method: &str,
        path: &str,
        file: Sending<'_>,
        progress: impl Fn(Progress) + 'static,
    ) -> Answer<T> {
        let (status, body) =
            self.send_file(method, path, file, progress).await.map_err(|_| Failure::Unreachable)?;
        if (200..300).contains(&status) {
            return json::read(&body).ok_or(Failure::Unreadable(status));
        }
        if status == 0 {
            return Err(Failure::Unreachable);
        }
        let failure = Failure::read(status, &body);
        self.session().judge(status, &failure);
        Err(failure)
    }

    async fn send_file(
        self,
        method: &str,
        path: &str,
        file: Sending<'_>,
        progress: impl Fn(Progress) + 'static,
    ) -> Result<(u16, String), JsValue> {
        let request = XmlHttpRequest::new()?;
        request.open(method, path)?;
        request.set_request_header("Accept", "application/json")?;
        if let Some(token) = self.session().token() {
            request.set_request_header("Authorization", &format!("Bearer {token}"))?;
        }
        if let Sending::Bytes(_, Overwrite::Refuse) = file {
            request.set_request_header("If-None-Match", "*")?;
        }
        let told = Closure::<dyn Fn(ProgressEvent)>::new(move |event: ProgressEvent| {
            progress(Progress(if event.total() > 0.0 { event.loaded() / event.total() } else { 0.0 }));
        });
        request.upload()?.set_onprogress(Some(told.as_ref().unchecked_ref()));
        let ended = js_sys::Promise::new(&mut |resolve, _| request.set_onloadend(Some(&resolve)));
        match file {
            Sending::Form(file, name) => {
                let form = FormData::new()?;
                form.append_with_blob_and_filename("file", file, name)?;
                request.send_with_opt_form_data(Some(&form))?;
            }
            Sending::Bytes(file, _) => request.send_with_opt_blob(Some(file))?,
        }
        JsFuture::from(ended).await?;
        Ok((request.status()?, request.response_text()?.unwrap_or_default()))
    }
}

//! The one WebSocket, as a value: dropping it closes it. What to do with its messages is the store's business.

use mantyx_api_types::{LiveMessage, LiveRequest};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use super::json;

/// What a socket tells.
pub(crate) enum SocketEvent {
    /// Something was said.
    Message(Box<LiveMessage>),
    /// It has ended, or never began.
    Closed,
}

/// An open socket.
pub(crate) struct Socket {
    channel: WebSocket,
    // The browser calls these two as long as the socket lives.
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_close: Closure<dyn Fn(CloseEvent)>,
}

impl Socket {
    /// Opens the socket with a one-time ticket. `None` when the browser refuses to try.
    pub(crate) fn open(ticket: &str, tell: impl Fn(SocketEvent) + Clone + 'static) -> Option<Self> {
        let location = leptos::prelude::window().location();
        let scheme = if location.protocol().ok()? == "https:" { "wss" } else { "ws" };
        let address = format!("{scheme}://{}/api/live?ticket={ticket}", location.host().ok()?);
        let channel = WebSocket::new(&address).ok()?;
        let told = tell.clone();
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            // A message that this version of the page does not know is none of its business.
            let message = event.data().as_string().and_then(|text| json::message(&text));
            if let Some(message) = message {
                told(SocketEvent::Message(Box::new(message)));
            }
        });
        let on_close = Closure::<dyn Fn(CloseEvent)>::new(move |_| tell(SocketEvent::Closed));
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        channel.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Some(Self { channel, _on_message: on_message, _on_close: on_close })
    }

    /// Asks for something. A socket that is closing loses it, and asks again once it is back.
    pub(crate) fn ask(&self, request: &LiveRequest) {
        if let Ok(text) = serde_json::to_string(request) {
            let _ = self.channel.send_with_str(&text);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.set_onclose(None);
        let _ = self.channel.close();
    }
}

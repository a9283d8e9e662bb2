//! The calls about where code comes from: following a git repository, its webhook, and the secrets that open it.

use mantyx_api_types::core::SecretName;
use mantyx_api_types::{
    HookCreated, SecretRequest, SecretView, TrackingOutcome, TrackingRequest, TrackingView,
};

use super::Client;
use super::client::{Answer, Call};

impl Client {
    /// What is known of every secret, but for what it holds.
    pub(crate) async fn secrets(self) -> Answer<Vec<SecretView>> {
        self.list("/api/secrets").await
    }

    /// Makes a secret, or replaces all of it.
    pub(crate) fn set_secret(self, name: &SecretName, secret: &SecretRequest) -> Call<SecretView> {
        self.send("PUT", &format!("/api/secrets/{name}"), secret)
    }

    /// Removes a secret.
    pub(crate) fn remove_secret(self, name: &SecretName) -> Call<()> {
        self.tell("DELETE", &format!("/api/secrets/{name}"))
    }

    /// How the repository of an app is followed.
    pub(crate) fn tracking(self, app: &str) -> Call<TrackingView> {
        self.get(&format!("/api/apps/{app}/tracking"))
    }

    /// Says how the repository of an app is to be followed.
    pub(crate) fn track(self, app: &str, request: &TrackingRequest) -> Call<TrackingView> {
        self.send("PUT", &format!("/api/apps/{app}/tracking"), request)
    }

    /// Looks into the repository of an app, and does what was said.
    pub(crate) fn check_tracking(self, app: &str) -> Call<TrackingOutcome> {
        self.ask("POST", &format!("/api/apps/{app}/tracking/check"))
    }

    /// Makes the webhook of an app, or gives it another secret.
    pub(crate) fn make_hook(self, app: &str) -> Call<HookCreated> {
        self.ask("POST", &format!("/api/apps/{app}/tracking/hook"))
    }

    /// Removes the webhook of an app.
    pub(crate) fn remove_hook(self, app: &str) -> Call<()> {
        self.tell("DELETE", &format!("/api/apps/{app}/tracking/hook"))
    }
}

//! `notifiers`: where alerts are sent.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Secret;

/// Where alerts are sent. Empty: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notifiers {
    /// URL of a Slack incoming webhook. A secret: whoever has it can post.
    pub slack_webhook: Secret,
    /// File with the value of slack_webhook.
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/slack_webhook"]))]
    pub slack_webhook_file: Option<PathBuf>,
    /// Mail server, sender and recipient: `smtp://user:pass@host:587?from=a@b&to=c@d`.
    pub email_smtp: Secret,
    /// File with the value of email_smtp.
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/email_smtp"]))]
    pub email_smtp_file: Option<PathBuf>,
}

//! What sends mail, from its section and the files that it names.

use liaison_jobs::{MailFault, MailTransport, Mailer, MailerOptions, SmtpOptions};

use crate::{
    app::host_name,
    config::{Config, mail::Transport},
};

/// Made of the configuration; nobody is connected to. `aside`: standard output is for programs.
pub(crate) fn of(config: &Config, aside: bool) -> Result<Mailer, Vec<MailFault>> {
    let mail = &config.mail;
    let read = |key: &'static str, path: &std::path::Path| {
        std::fs::read(path).map_err(|fault| {
            let problem = format!("{} cannot be read: {fault}", path.display());
            vec![MailFault { key, problem, remedy: "correct the path, or let the daemon's user read the file" }]
        })
    };
    let transport = match (mail.transport, &mail.folder) {
        (Transport::Smtp, _) => {
            let password = match &mail.password_file {
                Some(path) => Some(
                    String::from_utf8_lossy(&read("password_file", path)?).trim_end_matches(['\r', '\n']).to_owned(),
                ),
                None => mail.password.as_ref().map(|secret| secret.expose().to_owned()),
            };
            MailTransport::Smtp(SmtpOptions {
                host: mail.host.trim_matches(['[', ']']).to_owned(),
                port: mail.port,
                security: mail.security,
                user: mail.user.clone(),
                password,
                timeout: mail.timeout,
                connections: mail.connections as usize,
                helo: mail.helo.clone().unwrap_or_else(host_name),
                ca_pem: mail.ca_file.as_deref().map(|path| read("ca_file", path)).transpose()?,
            })
        }
        (Transport::File, Some(folder)) => MailTransport::File(folder.clone()),
        (Transport::Console, _) | (Transport::File, None) => MailTransport::Console { aside },
    };
    Mailer::new(MailerOptions {
        transport,
        from: mail.from.clone(),
        operator: mail.operator.clone(),
        templates: mail.templates.clone(),
        reconnect_url: mail.reconnect_url.clone(),
    })
}

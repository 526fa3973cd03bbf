//! What all jobs share, put together from the configuration: the way out, mail, tokens, webhooks, retention.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use liaison_jobs::{
    Hosts, Mailer, Registry, Secret, Services,
    outbound::{Outbound, OutboundSettings},
    webhooks::Webhooks,
};
use liaison_store::Store;

use crate::{app::App, config::Config, mailer, tokens};

impl App {
    /// Without a store there are no tokens, and no job that needs any.
    pub(crate) async fn services(&self, store: Option<Store>) -> Result<Arc<Services>> {
        let config = &self.config;
        let outbound = Self::outbound_of(config)?;
        let tokens = Box::pin(tokens::start(self, store.clone(), outbound.clone())).await?;
        Ok(Arc::new(Services {
            store,
            producer: self.producer(),
            tokens,
            providers: Self::registry_of(config, &outbound),
            outbound,
            hosts: Arc::new(Hosts::new(config.worker.concurrency as usize)),
            mailer: self.mailer()?,
            webhooks: Webhooks::new(config.webhooks.settings(), config.worker.concurrency as usize),
            retention: config.retention.of_jobs(),
            meetings: config.meetings.of_jobs(),
            calendars: config.calendars.settings(),
        }))
    }

    pub(crate) fn outbound_of(config: &Config) -> Result<Outbound> {
        let login = config.outbound.proxy_login_file.as_ref().map(|path| {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("read {} (outbound.proxy_login_file)", path.display()))?;
            anyhow::Ok(Secret::new(text.trim()))
        });
        let settings = OutboundSettings { proxy_login: login.transpose()?, ..config.outbound.settings() };
        Ok(Outbound::new(&settings)?)
    }

    fn registry_of(config: &Config, outbound: &Outbound) -> Registry {
        let bases = config.provider.iter().filter_map(|one| Some((one.name.clone(), one.api_url.clone()?)));
        Registry::new(outbound.clone(), bases)
    }

    pub(crate) fn mailer(&self) -> Result<Mailer> {
        mailer::of(&self.config, self.aside).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow::anyhow!(faults.join("\n"))
        })
    }
}

//! Panics: a task that panics ends alone, so somebody has to be told.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counts panics and logs them. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Panics(Counter);

impl Panics {
    /// Counts and logs all panics of the process from now on, instead of printing them, so that
    /// they are found where everything else is. A hook is the one place that sees each of them:
    /// those of tasks that nobody waits for, and those that are caught.
    pub(crate) fn watch(&self) {
        let panics = self.0.clone();
        std::panic::set_hook(Box::new(move |panic| {
            panics.inc();
            let location = panic.location().map(ToString::to_string);
            let message = panic.payload_as_str().unwrap_or("without a message");
            tracing::error!(
                location,
                "a task panicked, a fault of the program: {message}"
            );
        }));
    }

    /// Names the counter in a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "postbell_panics",
            "Tasks that panicked, which is a fault of the program; each ended alone",
            self.0.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_counted() {
        let panics = Panics::default();
        let usual = std::panic::take_hook();
        panics.watch();
        let tasks = TaskTracker::new();
        let task = tasks.spawn(async { panic!("a fault of the program") });
        let ended = task.await;
        // Other tests of this process may have panicked meanwhile, as some of them mean to.
        std::panic::set_hook(usual);
        assert!(ended.is_err());
        assert!(panics.0.get() >= 1);
        let mut registry = Registry::default();
        panics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("\npostbell_panics_total "), "{text}");
    }
}

//! Changing a configuration set.

use postbell_model::ConfigurationSet;

use super::egress;
use super::tenants::{SqliteTenants, micros, store_error};
use crate::{TenantError, Tenants, record};

impl SqliteTenants {
    /// Writes what a set says; its name, its workspace and its age stay.
    pub(super) async fn write_set(&self, set: ConfigurationSet) -> Result<(), TenantError> {
        let directory = self.directory();
        let known = directory.configuration_set(set.id);
        if known.is_none_or(|known| known.workspace != set.workspace) {
            return Err(TenantError::NoSuchConfigurationSet(set.id));
        }
        let sql = "UPDATE configuration_set SET max_retries = ?, expire_after = ?, reports = ?, tracking = ?, \
            source_ipv4 = ?, source_ipv6 = ?, ehlo_name = ? WHERE id = ?";
        let query = sqlx::query(sql)
            .bind(set.max_retries.map(i64::from))
            .bind(set.expire_after.map(micros))
            .bind(set.reports)
            .bind(record::write_tracking(&set.tracking));
        let query = egress::bind(query, &set.egress).bind(i64::from(set.id.0));
        let changed = self.change(query).await;
        changed.map_err(|error| store_error(&error))??;
        Ok(())
    }
}

//! The JSON Schema of every document, derived from the structs that write them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::{
    bench, catalog, check, compare, deploy, memory, migrate, plan, plan_target, quantize,
    recommend, speed, train,
};

/// A document that scripts read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Document {
    /// `dsk.bench.v1`.
    Bench,
    /// `dsk.check.v1`.
    Check,
    /// `dsk.compare.v1`.
    Compare,
    /// `dsk.deploy.v1`.
    Deploy,
    /// `dsk.list.v1`.
    List,
    /// `dsk.memory.v1`.
    Memory,
    /// `dsk.migrate.v1`.
    Migrate,
    /// `dsk.plan.v1`.
    Plan,
    /// `dsk.quantize.v1`.
    Quantize,
    /// `dsk.recommend.v1`.
    Recommend,
    /// `dsk.show.v1`.
    Show,
    /// `dsk.speed.v1`.
    Speed,
    /// `dsk.target.v1`.
    Target,
    /// `dsk.train.v1`.
    Train,
}

impl Document {
    /// Every document, by name.
    pub const ALL: [Self; 14] = [
        Self::Bench,
        Self::Check,
        Self::Compare,
        Self::Deploy,
        Self::List,
        Self::Memory,
        Self::Migrate,
        Self::Plan,
        Self::Quantize,
        Self::Recommend,
        Self::Show,
        Self::Speed,
        Self::Target,
        Self::Train,
    ];

    /// What it is called in its schema and in `dsk schema`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bench => "bench",
            Self::Check => "check",
            Self::Compare => "compare",
            Self::Deploy => "deploy",
            Self::List => "list",
            Self::Memory => "memory",
            Self::Migrate => "migrate",
            Self::Plan => "plan",
            Self::Quantize => "quantize",
            Self::Recommend => "recommend",
            Self::Show => "show",
            Self::Speed => "speed",
            Self::Target => "target",
            Self::Train => "train",
        }
    }

    /// Its schema, in JSON Schema 2020-12.
    #[must_use]
    pub fn schema(self) -> Value {
        let mut schema = match self {
            Self::Bench => of::<bench::Document<'_>>(),
            Self::Check => of::<check::Document<'_>>(),
            Self::Compare => of::<compare::Document<'_>>(),
            Self::Deploy => of::<deploy::Document<'_>>(),
            Self::List => of::<catalog::ListDocument<'_>>(),
            Self::Memory => of::<memory::Document<'_>>(),
            Self::Migrate => of::<migrate::Document<'_>>(),
            Self::Plan => of::<plan::Document<'_>>(),
            Self::Quantize => of::<quantize::Document<'_>>(),
            Self::Recommend => of::<recommend::Document<'_>>(),
            Self::Show => of::<catalog::ShowDocument<'_>>(),
            Self::Speed => of::<speed::Document<'_>>(),
            Self::Target => of::<plan_target::Document<'_>>(),
            Self::Train => of::<train::Document<'_>>(),
        };
        schema.insert("title".to_owned(), format!("dsk.{}.v1", self.name()).into());
        schema.to_value()
    }
}

/// The schema of what serde writes for `T`, not of what it would read.
fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
}

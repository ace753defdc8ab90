//! `dsk plan --train`.

use anyhow::{Context, Result, bail};

use super::super::model::model;
use super::super::{Exit, args, machine, output};
use super::Session;
use super::memory::hardware;
use crate::calc::hardware::Hardware;
use crate::calc::what_if::WhatIf;
use crate::catalog::{Catalog, Model};
use crate::render::{Reply, document, view};
use crate::train::{self, Asked, Fixed, Framework, Layout, Recompute};
use crate::units::Tokens;

/// How to train a model.
pub(super) fn train(
    session: &Session<'_>,
    load: &args::Load,
    options: &args::Train,
) -> Result<Exit> {
    let (model, mut notes) = model(session.catalog, &load.model)?;
    let what_if = WhatIf::from(&load.what_if);
    let (model, note) = what_if.apply(model)?;
    notes.extend(note);
    let Some(hardware) = machine::hardware(session.catalog, &hardware(&load.hardware))? else {
        bail!("name the hardware to train on, such as --gpu a100-80gb --gpus 16");
    };
    let asked = asked(session.catalog, (load, options), &model)?;
    let answer = train::train(session.catalog, &model, &asked, &hardware)?;
    if let Some(framework) = options.emit {
        let settings = (&model, &asked, &hardware);
        emit(session, framework.into(), (settings, &answer))?;
    } else {
        let shown = document::TrainAnswer {
            model: &model,
            what_if,
            asked: &asked,
            hardware: &hardware,
            answer: &answer,
        };
        let reply = Reply {
            document: document::train(&shown)?,
            report: view::train(&shown),
        };
        notes.extend(answer.notes.iter().cloned());
        session.answer(&reply, &notes)?;
    }
    let illegal = !answer.plan.faults.is_empty();
    Ok(if illegal || answer.plan.fits == Some(false) {
        Exit::NothingFits
    } else {
        Exit::Answered
    })
}

fn asked(
    catalog: &Catalog,
    (load, options): (&args::Load, &args::Train),
    model: &Model,
) -> Result<Asked> {
    let length = catalog.defaults()?.request.context_tokens;
    Ok(Asked {
        method: options.method.into(),
        rank: options.rank,
        targets: options.target_modules.clone(),
        framework: options.emit.unwrap_or(options.framework).into(),
        sequence_tokens: load
            .sequence
            .context
            .unwrap_or(length.min(model.shape.window_tokens)),
        global_batch: options.global_batch,
        tokens: options.tokens.map(Tokens),
        mfu: options.mfu,
        fixed: Fixed {
            data: load.split.dp,
            tensor: load.split.tp,
            pipeline: load.split.pp,
            expert: load.split.ep,
            zero: options.zero,
            micro_batch: options.micro_batch,
            recompute: options.recompute.map(Into::into),
            interleave: options.interleave,
            sequence_parallel: options.sequence_parallel,
            offload: options.offload.map(Into::into),
        },
    })
}

/// What the settings leave to the training script.
fn beside(framework: Framework, layout: &Layout) -> Vec<&'static str> {
    let mut notes = Vec::new();
    match framework {
        Framework::DeepSpeed => {
            notes.push(
                "the script chooses optimizer and learning rate, or the file gets an `optimizer`",
            );
            if layout.recompute == Recompute::Full {
                notes.push("full recomputation is switched on in the model: gradient_checkpointing_enable()");
            }
            if layout.pipeline > 1 {
                notes.push("a pipeline needs the model as a deepspeed.pipe.PipelineModule");
            }
            if layout.expert > 1 {
                notes.push("expert parallelism (AutoEP) needs Transformers 5.0 or later");
            }
            if layout.pipeline > 1 && layout.expert > 1 {
                notes.push("expert parallelism finds experts by Hugging Face's names, which a PipelineModule does not have: give their pattern (expert_parallel.moe_layer_pattern)");
            }
        }
        Framework::Megatron => {
            notes.push("add data, tokenizer, learning rate and --train-iters");
        }
    }
    notes
}

/// Prints the settings; what would stop them goes beside them.
fn emit(
    session: &Session<'_>,
    framework: Framework,
    ((model, asked, hardware), answer): ((&Model, &Asked, &Hardware), &train::Answer),
) -> Result<()> {
    let layout = &answer.plan.layout;
    let text = match framework {
        Framework::DeepSpeed => {
            let settings = train::deepspeed(layout);
            format!("{}\n", serde_json::to_string_pretty(&settings)?)
        }
        Framework::Megatron => {
            let job = train::job(session.catalog, (model, asked), hardware)?;
            format!("{}\n", train::megatron(&job, layout).join(" \\\n"))
        }
    };
    output::data(&text).context("cannot write the settings")?;
    for note in beside(framework, layout) {
        output::complain("note", note);
    }
    for fault in &answer.plan.faults {
        output::complain("error", fault);
    }
    if answer.plan.fits == Some(false) {
        output::complain(
            "error",
            &format!("it is short by {} a device", answer.plan.short_by),
        );
    }
    Ok(())
}

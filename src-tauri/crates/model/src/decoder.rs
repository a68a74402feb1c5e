//! A whole decoder: log-probabilities of a packed batch, the gradients of its adapter, and new tokens from a cache.

use crate::base_dtype::BaseDtype;
use crate::cache::{KvCache, LayerCache};
use crate::config::LinearShape;
use crate::config::{Config, Rotation};
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::head::response_logps::TokenScores;
use crate::head::{Head, HeadActivations};
use crate::layer::{Layer, LayerActivations};
use crate::linear::adapted::{Linear, Pass};
use crate::linear::projections::Projections;
use crate::lora::config::LoraConfig;
use crate::lora::peft::Own;
use crate::lora::{Gradients, Lora};
use crate::model_size::ModelSize;
use crate::norm::{Norm, OptionalNorm};
use crate::products::Products;
use crate::rotary::{PassAngles, Rotary};
use crate::weights::{self, Source};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use kernels::attention::Attention;
use kernels::batch::Batch;
use kernels::profile;
use kernels::weight::Weight;
use rand::Rng;
use std::path::Path;

/// A model with frozen weights. An adapter is passed to each call, so that one copy of the weights serves as policy
/// (adapter on) and reference (adapter off).
///
/// # Examples
///
/// Log-probabilities of a pair's two answers, and the gradients of a new adapter for the loss `−log σ(chosen − rejected)`:
///
/// ```
/// use candle_core::{DType, Device};
/// use model::{BaseDtype, Batch, Decoder, ForwardOptions, Gradients, LoraConfig};
/// use rand::SeedableRng;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # testkit::TinyLlama::default().write_folder(folder.path())?;
/// # let path = folder.path();
/// let decoder = Decoder::load(path, &Device::Cpu, BaseDtype::Auto)?;
/// let mut batch = Batch::new();
/// let (prompt, chosen, rejected) = ([1, 40, 70], [50, 90, 2], [60, 2]);
/// batch.push_pair(&prompt, &chosen, &rejected);
/// let reference = decoder.logps(None, &batch)?;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let lora = decoder.start_lora(&LoraConfig::default(), &mut rng, DType::F32)?;
/// let trace = decoder.forward(&lora, &batch, ForwardOptions::default())?;
/// // It has learned nothing yet.
/// assert!(trace.logps().iter().zip(&reference).all(|(policy, reference)| (policy - reference).abs() < 1e-6));
///
/// let slope = 1.0 / (1.0 + (trace.logps()[0] - trace.logps()[1]).exp()) as f32;
/// let mut gradients = Gradients::zeros(&lora)?;
/// decoder.backward(&lora, trace, &[-slope, slope], &mut gradients)?;
/// assert_eq!(gradients.tensors.len(), lora.parameters().len());
/// # Ok(())
/// # }
/// ```
pub struct Decoder {
    config: Config,
    /// `[vocabulary, width]`.
    embedding: Weight,
    layers: Vec<(Layer, Rotation)>,
    head: Head,
    linears: Vec<LinearShape>,
    rotary: Rotary,
    dtype: DType,
    base_dtype: BaseDtype,
    size: ModelSize,
    numbers: &'static str,
    products: Products,
    notes: Vec<String>,
    device: Device,
}

/// How [`Decoder::forward`] is to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct ForwardOptions {
    /// Keep only each layer's input and compute the layer again in the backward: less memory, a third more work.
    pub recompute: bool,
    /// Key of the dropout masks; none in evaluation.
    pub dropout: Option<u64>,
}

/// What [`Decoder::backward`] needs of a forward.
pub struct Trace {
    batch: Batch,
    layers: Vec<SavedLayer>,
    head: Option<HeadActivations>,
    tokens: TokenScores,
    logps: Vec<f64>,
    dropout: Option<u64>,
}

enum SavedLayer {
    Input(Tensor),
    Activations(Box<LayerActivations>),
}

impl Trace {
    /// Log-probability of each sequence, summed over its response tokens.
    pub fn logps(&self) -> &[f64] {
        &self.logps
    }

    /// What the model makes of each response token, in the order of [`Batch::targets`].
    pub fn tokens(&self) -> &TokenScores {
        &self.tokens
    }
}

impl Decoder {
    /// Loads a model folder (safetensors) or a GGUF file.
    ///
    /// # Errors
    /// When a file is missing, damaged or of a kind that is not supported; the error says which and what to do.
    pub fn load(path: &Path, device: &Device, dtype: BaseDtype) -> Result<Self> {
        Self::from_source(&weights::open(path, dtype, device)?)
    }

    /// From an opened model, its matrices kept as its dtype says.
    ///
    /// # Errors
    /// When a file cannot be read, or a weight cannot be kept in that type.
    pub fn from_source(source: &Source) -> Result<Self> {
        let mut decoder = Self::of(source.config.clone(), &source.vars, &|name, shape| source.matrix(name, shape))?;
        decoder.base_dtype = source.dtype();
        decoder.size = source.size();
        decoder.numbers = source.numbers();
        decoder.notes = source.notes();
        Ok(decoder)
    }

    /// From weights under Hugging Face's names, in their float type.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the configuration says.
    pub fn new(config: Config, vars: &VarBuilder) -> Result<Self> {
        Self::of(config, vars, &|name, shape| Ok(Weight::floats(&vars.root().get(shape, name)?)?))
    }

    fn of(config: Config, vars: &VarBuilder, matrix: &Matrix) -> Result<Self> {
        let Config { hidden_size: width, vocab_size, .. } = config;
        let (dtype, device) = (vars.dtype(), vars.device().clone());
        let inner = vars.pp("model");
        let embedding = matrix("model.embed_tokens.weight", (vocab_size, width))?;
        let linears = config.linears();
        let layers = config
            .layers
            .iter()
            .enumerate()
            .map(|(i, attends)| {
                let vars = LayerVars { config: &config, vars: inner.pp("layers").pp(i), matrix, linears: &linears };
                Ok((vars.layer(attends.window)?, attends.rotation))
            })
            .collect::<Result<Vec<_>>>()?;
        let norm = norm(&config, &inner, "norm", width)?;
        let weight =
            if config.tie_word_embeddings { embedding.clone() } else { matrix("lm_head.weight", (vocab_size, width))? };
        let projection = Projections::one(Linear::new(weight, None, linears.len() - 1));
        let head = Head { norm, projection, softcap: config.logit_softcap };
        let rotary = Rotary::new(&config);
        Ok(Self {
            size: ModelSize::in_f32(&config),
            base_dtype: BaseDtype::F32,
            numbers: BaseDtype::F32.numbers(),
            products: Products::F32,
            notes: Vec::new(),
            config,
            embedding,
            layers,
            head,
            linears,
            rotary,
            dtype,
            device,
        })
    }

    /// The model's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every linear that an adapter can stand on, the vocabulary projection (`lm_head`) last.
    pub fn linears(&self) -> &[LinearShape] {
        &self.linears
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Float type of the computation.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// What its weights are kept as.
    pub fn base_dtype(&self) -> BaseDtype {
        self.base_dtype
    }

    /// Whose numbers its weights have: two loads of a model that give the same here compute the same.
    pub fn numbers(&self) -> &'static str {
        self.numbers
    }

    /// What the formula of memory has to know of it.
    pub fn size(&self) -> &ModelSize {
        &self.size
    }

    /// What the user should know of how its weights are kept: see [`Source::notes`].
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What products with its weights are computed in; never [`Products::Auto`].
    pub fn products(&self) -> Products {
        self.products
    }

    /// What products with its weights are computed in from now on; f32 until this is called.
    ///
    /// # Errors
    /// When bf16 is asked for and the processor cannot.
    pub fn set_products(&mut self, products: Products) -> Result<()> {
        let device = DeviceChoice::of(&self.device);
        let kernel = products.kernel(device, &self.size)?;
        self.products = products.on(device, &self.size);
        let layers = self.layers.iter_mut().flat_map(|(layer, _)| layer.linears_mut());
        for linear in layers.chain(self.head.projection.linears_mut()) {
            linear.weight.set_kernel(kernel);
        }
        Ok(())
    }

    /// A new adapter that changes nothing yet, as [`Lora::init`], and with DoRA its magnitudes.
    ///
    /// # Errors
    /// As [`Lora::init`].
    pub fn start_lora(&self, config: &LoraConfig, rng: &mut impl Rng, dtype: DType) -> Result<Lora> {
        let magnitude = |place| if config.use_dora { self.row_norms(place, dtype) } else { Ok(None) };
        Lora::start(config, &self.linears, rng, dtype, &self.device, magnitude)
    }

    /// Reads an adapter in PEFT's format. Where it brings its base's embedding or output head along, these must be this
    /// model's own.
    ///
    /// # Errors
    /// As [`Lora::load`], and when such a matrix is another one.
    pub fn load_lora(&self, dir: &Path) -> Result<Lora> {
        Lora::load_beside(dir, &self.linears, &self.device, |copy| {
            let weight = if copy.of_head { &self.head.projection.linear().weight } else { &self.embedding };
            copy.check(&Own {
                dims: weight.dims(),
                dtype: weight.floats_of(),
                rows: &|rows| Ok(weight.numbers_of(rows)?),
            })
        })
    }

    /// The adapter `lora` as it would be had it learned nothing: with it the model is the base.
    ///
    /// # Errors
    /// When the device runs out of memory.
    pub fn untrained(&self, lora: &Lora) -> Result<Lora> {
        let dtype = lora.weights().first().map_or(self.dtype, |w| w.a.dtype());
        lora.untrained(|place| self.row_norms(place, dtype))
    }

    fn row_norms(&self, place: usize, dtype: DType) -> Result<Option<Tensor>> {
        let mut linears = self.layers.iter().flat_map(|(layer, _)| layer.linears());
        linears.find(|l| l.place == place).map(|l| Ok(l.row_norms()?.to_dtype(dtype)?)).transpose()
    }

    /// Log-probability of each sequence, summed over its response tokens; with `lora` off, the reference.
    ///
    /// # Errors
    /// When the device runs out of memory or a token id is outside the vocabulary.
    pub fn logps(&self, lora: Option<&Lora>, batch: &Batch) -> Result<Vec<f64>> {
        Ok(batch.sum_by_sequence(self.token_logps(lora, batch)?))
    }

    /// Log-probability of each response token, in the order of [`Batch::targets`]; with `lora` off, the reference.
    ///
    /// # Errors
    /// As [`Decoder::logps`].
    pub fn token_logps(&self, lora: Option<&Lora>, batch: &Batch) -> Result<Vec<f64>> {
        Ok(self.token_scores(lora, batch)?.logps)
    }

    /// What the model makes of each response token, in the order of [`Batch::targets`].
    ///
    /// # Errors
    /// As [`Decoder::logps`].
    pub fn token_scores(&self, lora: Option<&Lora>, batch: &Batch) -> Result<TokenScores> {
        let x = self.last_layer(lora, batch)?;
        if batch.targets().is_empty() {
            return Ok(TokenScores::default());
        }
        Ok(self.head.forward(&x, batch, Self::plain_pass(lora), false)?.0)
    }

    /// The output of the last layer, `[rows, width]`.
    pub(crate) fn last_layer(&self, lora: Option<&Lora>, batch: &Batch) -> Result<Tensor> {
        let (pass, angles) = (Self::plain_pass(lora), self.angles(batch)?);
        let mut x = self.embed(batch.ids())?;
        for (layer, rotation) in &self.layers {
            x = layer.forward(&x, angles.of(*rotation), batch, pass)?.0;
        }
        Ok(x)
    }

    /// Without dropout, over more than one row.
    pub(crate) fn plain_pass(lora: Option<&Lora>) -> Pass<'_> {
        Pass { lora, dropout: None, single: false }
    }

    /// Logits of rows of the last layer's output, `[rows, vocabulary]`.
    pub(crate) fn logits_of(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        self.head.logits(x, pass)
    }

    /// As [`Decoder::logps`] with the adapter on, keeping what the backward needs.
    ///
    /// # Errors
    /// As [`Decoder::logps`].
    pub fn forward(&self, lora: &Lora, batch: &Batch, options: ForwardOptions) -> Result<Trace> {
        let pass = Pass { lora: Some(lora), dropout: options.dropout, single: false };
        let angles = self.angles(batch)?;
        let mut x = self.embed(batch.ids())?;
        let mut layers = Vec::with_capacity(self.layers.len());
        for (layer, rotation) in &self.layers {
            let (y, saved) = layer.forward(&x, angles.of(*rotation), batch, pass)?;
            layers.push(if options.recompute {
                SavedLayer::Input(x)
            } else {
                SavedLayer::Activations(Box::new(saved))
            });
            x = y;
        }
        let (tokens, head) = if batch.targets().is_empty() {
            (TokenScores::default(), None)
        } else {
            let (tokens, saved) = self.head.forward(&x, batch, pass, true)?;
            (tokens, Some(saved))
        };
        let logps = batch.sum_by_sequence(tokens.logps.iter().copied());
        Ok(Trace { batch: batch.clone(), layers, head, tokens, logps, dropout: options.dropout })
    }

    /// Adds the adapter's gradients, given the gradient of the loss by each sequence's log-probability.
    ///
    /// # Errors
    /// When the device runs out of memory.
    pub fn backward(&self, lora: &Lora, trace: Trace, d_logps: &[f32], gradients: &mut Gradients) -> Result<()> {
        let d_tokens: Vec<f32> = trace.batch.targets().iter().map(|t| d_logps[t.sequence as usize]).collect();
        self.backward_tokens(lora, trace, &d_tokens, gradients)
    }

    /// As [`Decoder::backward`], given the gradient of the loss by each response token's log-probability, in the order of
    /// [`Batch::targets`].
    ///
    /// # Errors
    /// As [`Decoder::backward`].
    pub fn backward_tokens(
        &self,
        lora: &Lora,
        trace: Trace,
        d_tokens: &[f32],
        gradients: &mut Gradients,
    ) -> Result<()> {
        let Trace { batch, layers, head: Some(saved_head), dropout, .. } = trace else { return Ok(()) };
        let pass = Pass { lora: Some(lora), dropout, single: false };
        let angles = self.angles(&batch)?;
        let mut dx = self.head.backward(d_tokens, &saved_head, &batch, pass, gradients)?;
        for ((layer, rotation), kept) in self.layers.iter().zip(layers).rev() {
            let angles = angles.of(*rotation);
            let saved = match kept {
                SavedLayer::Activations(saved) => *saved,
                SavedLayer::Input(x) => layer.forward(&x, angles, &batch, pass)?.1,
            };
            dx = layer.backward(&dx, &saved, angles, &batch, pass, gradients)?;
        }
        Ok(())
    }

    /// Appends new tokens to sequences of a cache and returns the logits after the last of each,
    /// `[new.len(), vocabulary]`. Each entry of `new` is a sequence's place in the cache and its new tokens, at least
    /// one; places rise.
    ///
    /// A model that rotates long sequences by other frequencies goes by the length that each sequence has now, whatever
    /// stands beside it and however far it may still grow. A sequence that grows past the border is read again from its
    /// beginning, as transformers does: keys of both kinds would meet in its cache.
    ///
    /// # Errors
    /// As [`Decoder::logps`].
    pub fn extend(&self, lora: Option<&Lora>, cache: &mut KvCache, new: &[(usize, &[u32])]) -> Result<Tensor> {
        let mut read_again = |&(sequence, tokens): &(usize, &[u32])| {
            let before = cache.len(sequence);
            let again = before > 0 && self.rotary.differs(before, before + tokens.len());
            again.then(|| [cache.take(sequence).as_slice(), tokens].concat())
        };
        let again: Vec<Option<Vec<u32>>> = new.iter().map(&mut read_again).collect();
        let new =
            new.iter().zip(&again).map(|(&(sequence, tokens), again)| (sequence, again.as_deref().unwrap_or(tokens)));
        let new: &[(usize, &[u32])] = &new.collect::<Vec<_>>();
        // A token that is alone goes another way than those of a prompt, so that what is computed of a sequence does not
        // depend on whether others begin beside it.
        let (one, more): (Vec<_>, Vec<_>) = new.iter().partition(|(_, tokens)| tokens.len() == 1);
        profile::in_pool(|| {
            if one.is_empty() || more.is_empty() {
                return self.extend_all(Pass { lora, dropout: None, single: more.is_empty() }, cache, new);
            }
            let ones = self.extend_all(Pass { lora, dropout: None, single: true }, cache, &one)?;
            let mores = self.extend_all(Pass { lora, dropout: None, single: false }, cache, &more)?;
            let (mut ones_before, mut mores_before) = (0, one.len());
            let places = new.iter().map(|(_, tokens)| {
                let place = if tokens.len() == 1 { &mut ones_before } else { &mut mores_before };
                *place += 1;
                *place as u32 - 1
            });
            let places = Tensor::new(places.collect::<Vec<_>>(), &self.device)?;
            Ok(Tensor::cat(&[ones, mores], 0)?.index_select(&places, 0)?)
        })
    }

    fn extend_all(&self, pass: Pass, cache: &mut KvCache, new: &[(usize, &[u32])]) -> Result<Tensor> {
        let (mut ids, mut positions, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rows, mut last) = (Vec::new(), Vec::new());
        for &(sequence, tokens) in new {
            let (start, before) = (ids.len(), cache.len(sequence));
            ids.extend_from_slice(tokens);
            positions.extend((before..before + tokens.len()).map(|p| p as u32));
            lengths.resize(ids.len(), before + tokens.len());
            rows.push(start..ids.len());
            last.push(ids.len().saturating_sub(1) as u32);
        }
        let angles = self.rotary.angles(&positions, &lengths, self.dtype, &self.device)?;
        let mut x = self.embed(&ids)?;
        for (i, (layer, rotation)) in self.layers.iter().enumerate() {
            let mut caches = places(&mut cache.layers, new, i);
            x = layer.extend(&x, angles.of(*rotation), &rows, &mut caches, pass)?;
        }
        for &(sequence, tokens) in new {
            cache.grew(sequence, tokens);
        }
        if !pass.single {
            x = x.index_select(&Tensor::new(last, &self.device)?, 0)?;
        }
        self.head.logits(&x, pass)
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        let rows = self.embedding.rows(ids)?;
        let scale = self.config.embedding_scale();
        #[allow(clippy::float_cmp)] // Exactly 1 in families without one.
        Ok(if scale == 1.0 { rows } else { (rows * scale)? })
    }

    fn angles(&self, batch: &Batch) -> Result<PassAngles> {
        Ok(self.rotary.angles(batch.positions(), batch.lengths(), self.dtype, &self.device)?)
    }
}

/// Gives a matrix by its Hugging Face name and its shape.
type Matrix<'a> = dyn Fn(&str, (usize, usize)) -> Result<Weight> + 'a;

fn norm(config: &Config, vars: &VarBuilder, name: &str, width: usize) -> Result<Norm> {
    let weight = vars.pp(name).get(width, "weight")?;
    let weight = if config.architecture.norms_from_one() { (weight + 1.0)? } else { weight };
    Ok(Norm { weight, eps: config.rms_norm_eps })
}

/// The weights of one layer.
struct LayerVars<'a> {
    config: &'a Config,
    vars: VarBuilder<'a>,
    matrix: &'a Matrix<'a>,
    linears: &'a [LinearShape],
}

impl LayerVars<'_> {
    fn layer(&self, window: Option<usize>) -> Result<Layer> {
        let config = self.config;
        let (heads, key_value_heads) = (config.num_attention_heads, config.num_key_value_heads);
        let attention = Attention {
            query: heads,
            key_value: key_value_heads,
            dim: config.head_dim,
            scale: config.attention_scale,
            softcap: config.attention_softcap,
            window,
        };
        let (bias, mlp_bias) = (config.attention_bias, config.mlp_bias);
        let stacked = config.architecture.fuses_projections();
        let qkv = if stacked {
            let widths = [heads, key_value_heads, key_value_heads].map(|heads| heads * config.head_dim);
            Projections::Stacked { linear: self.linear("self_attn.qkv_proj", bias)?, widths }
        } else {
            let linear = |name| self.linear(name, bias);
            Projections::Separate([
                linear("self_attn.q_proj")?,
                linear("self_attn.k_proj")?,
                linear("self_attn.v_proj")?,
            ])
        };
        let gate_up = if stacked {
            let linear = self.linear("mlp.gate_up_proj", mlp_bias)?;
            Projections::Stacked { linear, widths: [config.intermediate_size; 2] }
        } else {
            Projections::Separate([self.linear("mlp.gate_proj", mlp_bias)?, self.linear("mlp.up_proj", mlp_bias)?])
        };
        let norms = config.architecture.layer_norms();
        let has = config.architecture.norms_queries_and_keys();
        Ok(Layer {
            input_norm: self.norm(norms.input, config.hidden_size)?,
            qkv,
            query_norm: self.optional(has.then_some("self_attn.q_norm"), config.head_dim)?,
            key_norm: self.optional(has.then_some("self_attn.k_norm"), config.head_dim)?,
            attention,
            o: Projections::one(self.linear("self_attn.o_proj", config.attention_output_bias())?),
            attention_output_norm: self.optional(norms.attention_output, config.hidden_size)?,
            mlp_norm: self.norm(norms.mlp, config.hidden_size)?,
            gate_up,
            activation: config.architecture.activation(),
            down: Projections::one(self.linear("mlp.down_proj", mlp_bias)?),
            mlp_output_norm: self.optional(norms.mlp_output, config.hidden_size)?,
        })
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm> {
        norm(self.config, &self.vars, name, width)
    }

    fn optional(&self, name: Option<&str>, width: usize) -> Result<OptionalNorm> {
        Ok(OptionalNorm(name.map(|name| self.norm(name, width)).transpose()?))
    }

    fn linear(&self, name: &str, bias: bool) -> Result<Linear> {
        let vars = self.vars.pp(name);
        let shape = self.linears.iter().enumerate().find(|(_, l)| l.name == vars.prefix());
        let Some((place, &LinearShape { in_features, out_features, .. })) = shape else {
            return Err(candle_core::Error::msg(format!("{} is not among the model's linears", vars.prefix())).into());
        };
        let bias = if bias { Some(vars.get(out_features, "bias")?) } else { None };
        let weight = (self.matrix)(&format!("{}.weight", vars.prefix()), (out_features, in_features))?;
        Ok(Linear::new(weight, bias, place))
    }
}

/// The caches of one layer for the sequences named in `new`, whose places rise.
fn places<'a>(all: &'a mut [Vec<LayerCache>], new: &[(usize, &[u32])], layer: usize) -> Vec<&'a mut LayerCache> {
    let mut wanted = new.iter().map(|(sequence, _)| *sequence).peekable();
    all.iter_mut().enumerate().filter_map(|(i, layers)| wanted.next_if_eq(&i).map(|_| &mut layers[layer])).collect()
}

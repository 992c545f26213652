"""What fails in the program itself: its tensors, its numbers, its checkpoints, data and configuration. Data only."""

from __future__ import annotations

from epochwatchd.detection.failures.row import Row

PROGRAM: tuple[Row, ...] = (
    Row(
        "device_mismatch",
        proofs=(
            r"[Ee]xpected all tensors to be on the same device",
            r"(?:on the same device|same GPU)[^\n]{0,30}but (?:found|got)",
            r"Input type \(torch\.cuda\.\w+\) and (?:weight|bias) type \(torch\.(?!cuda)",
            r"Input type \(torch\.(?!cuda)\w+\) and (?:weight|bias) type \(torch\.cuda\.",
            r"is on (?:cpu|cuda(?::\d)?),? (?:but|different from)[^\n]{0,80}(?:on|device)",
            r"Expected object of device type c|Expected object of backend \w+ but got backend",
            r"Expected tensor for argument [^\n]{0,80} same (?:GPU|device)",
            r"must have (?:its|their) parameters and buffers on device|module must have its parameters",
            r"indices should be either on cpu or on the same device",
            r"Expected a '?(?:cuda|cpu)'? device type for generator",
            r"can't convert (?:cuda|CUDA)(?::\d)? (?:device type )?tensor to numpy",
            r"Received incompatible devices for jitted computation|Cannot copy out of meta tensor",
            r"weight is on the meta device|on the expected device|cannot be accessed from Triton",
        ),
        signs=(
            (
                r"^(?:Runtime|Value|Type|NotImplemented|InvalidArgument)Error: "
                r"(?=[^\n]*(?:[Dd]evices?\b|\b(?:on|to be|be a) (?:the )?(?:CPU|GPU|cpu|cuda|meta)\b))"
                r"(?=[^\n]*(?:same|match|differ|but (?:got|found|expected)|expected|mismatch))"
                r"(?=[^\n]*(?:[Tt]ensor|[Ii]nput|[Ww]eight|[Ii]ndex|[Pp]aram|generator|gradient|[Mm]ask|storage))"
            ),
        ),
    ),
    Row(
        "shape_mismatch",
        proofs=(
            r"shapes? (?:of [^\n]{0,30})?cannot be multiplied|size mismatch,? \(?(?:m1|got)",
            r"shapes? \([^\n]{0,40}\) and \([^\n]{0,40}\) not aligned",
            r"The size of tensor a \(\d+\) must match the size of tensor b|The expanded size of the tensor",
            r"Sizes of tensors must match|[Ss]tack expects each tensor to be equal size",
            r"shape '\[[^\n]{0,80}\]' is invalid for input of size|Given groups=\d+, weight of size",
            r"[Ee]xpected (?:input|hidden\w*|target)[^\n]{0,60}(?:batch_size|size|channels|shape|to have \d+)",
            r"Incompatible shapes|[Ii]nconsistent shape|Shapes? [^\n]{0,60}(?:are|is) incompatible",
            r"operands could not be broadcast together|got incompatible shapes for broadcasting",
            r"Dimensions must be equal|Matrix size-incompatible",
            r"must have the same (?:shape|(?:first|last) dimension)",
            r"same number of dimensions|is not compatible with expected shape|Expected \dD [^\n]{0,60}input",
            r"Expected more than 1 value per channel|Expected \d-?dimensional input",
            r"dot_general requires contracting dimensions|(?:add|sub|mul|div) got incompatible shapes",
            r"expects? (?:input|shape)[^\n]{0,60}but (?:received|got)[^\n]{0,40}shape",
            r"Tensors must have same number of dimensions",
            r"output with shape [^\n]{0,60}doesn't match the broadcast shape",
            r"all the input array dimensions[^\n]{0,80}must match|could not broadcast input array",
            r"setting an array element with a sequence",
            r"Input \d+ of layer [^\n]{0,60}is incompatible with the layer",
            r"Target size \([^\n]{0,60}must be the same as input size|cannot reshape (?:array|a tensor)",
            r"mismatched shapes?|inhomogeneous shape|number of sizes provided|mismatch in its core dimension",
            r"must be equal to input_size|Expected size for first two dimensions of batch2",
            r"^ValueError: Using a target size",
            r"running_(?:mean|var) should contain \d+ elements",
            r"[Tt]he shape of the (?:\d\w )?(?:mask|attn_mask|attention mask)",
            r"(?:[Mm]ask|weights|output|states) should be of (?:size|shape) |target tensor expected, multi-target not",
            r"does not broadcast with previously seen size|\(\d+\) should be equal to source\.size",
            r"Expected size \d+ but got size \d+|embed_dim must be|mask size should be|invalid for input of size",
            r"[Bb]atch sizes? must be the same|Output size is too small|can't be greater than actual input",
            r"inconsistent numbers of samples|\bshape torch\.Size\([^\n]{0,80} does not match\b",
            r"must be broadcastable|Cannot batch tensors with different shapes|split_sizes to sum exactly",
            r"expected sequence of length \d+ at dim|[Ff]eatures and image tokens do not match",
            r"but got array with shape|Shape must be rank|[Bb]oth arguments to matmul need|array is too big",
        ),
        signs=(
            (
                r"^(?!Assertion|Key|Attribute|Index|Name|Import|Module)\w{1,60}Error: "
                r"(?![^\n]*(?:divisible|positive|greater|less than|at (?:least|most)|between|range|exceed|larg|small"
                r"|invalid values))"
                r"(?=[^\n]*(?:[Ss]hapes?\b|[Ss]izes? of|[Dd]imensions?\b|channels\b|elements\b))"
                r"(?=[^\n]*(?:match|but (?:got|found|received)|incompatib|aligned|inconsistent|differ))[^\n]*\d[^\n]*\d"
            ),
        ),
    ),
    Row(
        "dtype_mismatch",
        proofs=(
            r"expected scalar type \w+ but found",
            r"expected \w+ (?:and|to have the same dtype)[^\n]{0,60}(?:same|but got|to have the same) ?dtype",
            r"to have the same dtype, but got|Found dtype \w+ but expected",
            r"[Ee]xpected (?:object of (?:scalar )?type|dtype|tensor for argument[^\n]{0,60}scalar types?)",
            r"expected m1 and m2 to have the same dtype",
            r"not implemented for '(?:Half|BFloat16|Float|Long|Int|Byte|Bool|Float8_\w+|Char|Short|Double|Complex\w+)'",
            r"result type \w+ can't be cast|must have the same dtype",
            r"tensors? (?:to have|must have|of) (?:the )?same dtype|self and mat2 must have the same dtype",
            r"[Cc]annot (?:compute|convert) [^\n]{0,120}(?:was expected to be a \w+ tensor|to EagerTensor of dtype)",
            r"Tensor conversion requested dtype|requires [^\n]{0,40}equal dtypes",
            r"requires? .{0,40}\bdtypes?\b.{0,40}got|Only Tensors of floating point and complex dtype",
            r"can't convert np\.ndarray of type|Unsupported dtype|Index tensors? must be|index must be Long",
            r"Op has type \w+ that does not match type|tensors used as indices must be",
            r"Attempting to unscale FP16 gradients|only applicable to index tensor|Cannot cast (?:ufunc|array) ",
            r"[Ii]nput dtype \(\S+\) does not match",
            r"only supports? fp16 and bf16|[Ee]xpected target dtype|could not infer output dtype",
            r"query, key, and value to have",
            r"floating point(?: or complex)? (?:dtype|tensor)[^\n]{0,40}[Gg]ot|[Dd]type mismatch",
            r"must be floating point, got",
            r"expected (?:a )?(?:floating|float|integer|boolean)\w* (?:type|dtype|tensor)[^\n]{0,60}(?:got|found)",
        ),
        signs=(
            r"Input type \([^)\n]{1,60}\) and (?:weight|bias) type \([^)\n]{1,60}\) should be the same",
            (
                r"^(?:Runtime|Type|InvalidArgument|XlaRuntime)Error: (?=[^\n]*(?:\b[Dd]types?\b|[Ss]calar types?\b))"
                r"(?=[^\n]*(?:same|match|but (?:got|found)|expected|must be|should be|only support))"
            ),
        ),
    ),
    Row(
        "index_out_of_range",
        proofs=(
            r"^IndexError: index out of range in self|Target -?\d+ is out of bounds",
            r"Class values must be (?:smaller|non-neg)",
            r"`cur_target >= 0 && cur_target < n_classes' failed",
            r"^RuntimeError: index -?\d+ is out of bounds for dimension",
            r"indices\[[\d,]+\] = -?\d+ is not in \[0, \d+\)|label value of -?\d+ which is outside the valid range",
        ),
    ),
    Row(
        "empty_dataset",
        types="EmptyDatasetError",
        proofs=(
            r"num_samples should be a positive integer value, but got num_samples=0|(?:dataset|Dataset) is empty\b",
            r"need at least one array to concatenate|\bn_samples=0\b|No (?:images|labels) found in ",
            r"to be a non-empty array or dataset",
            r"[Ff]ound (?:0|no) (?:valid )?(?:files?|images?|samples?|items?) (?:in|for|for the classes)\b",
        ),
    ),
    Row(
        "autograd_error",
        proofs=(
            r"modified by an inplace operation|Trying to backward through the graph a second time",
            r"does not require grad and does not have a grad_fn",
            r"grad can be implicitly created only for scalar outputs|a leaf Variable that requires grad",
            r"Saved intermediate values of the graph have already been freed|on Tensor that requires grad",
            r"[Oo]ne of the differentiated Tensors (?:does not require grad|appears to not have been used)",
            r"No gradients provided for any variable|returned an invalid gradient at index",
            r"[Tt]he differentiated Tensor at index \d+ appears|\(graph leaves\) support the deepcopy protocol",
        ),
    ),
    Row(
        "ddp_unused_parameters",
        proofs=(
            r"Expected to have finished reduction in the prior iteration",
            r"Expected to mark a variable ready only once",
            r"parameters that were not used in producing (?:the )?loss|marked as ready twice",
        ),
    ),
    Row(
        "nan_loss",
        types="NanLossDuringTrainingError NaNLossError NonFiniteLossError",
        proofs=(
            r"(?i:\bloss\b[^\n]{0,60}(?:\b(?:is|was|became)|[=:]) ?(?:tensor\()?(?:nan|inf\b))",
            r"(?i:\bloss\b[^\n]{0,60}\b(?:is|was|became) (?:not |non-?)finite)",
            r"(?i:\b(?:nan|non-?finite)(?:/inf| or inf\w*)? (?:values? )?(?:in |for )?(?:the )?(?:\w+ )?(?:loss|grad))",
            r"returned nan values in its \d+th output|Function '\w+' returned (?:nan|inf)",
            r"found invalid values:[^\n]{0,40}\s*(?:tensor\(\[*\s*)?nan",
            r"^FloatingPointError: (?i:[^\n]{0,200}\b(?:loss|nans?|gradients?|non-?finite|infinite)\b)",
            r"(?i:\bnan\b[^\n]{0,60}\b(?:stop|exit|abort|terminat))",
            r"Current loss scale already at minimum|Minimum loss scale reached",
            r"invalid value \(nan\) encountered in",
            r"probability tensor contains either `?inf`?, `?nan`? or element",
            r"Tensor had (?:NaN|Inf|Inf and NaN) values|Nan in summary histogram",
            r"(?i:\b(?:grad\w*|parameters|weights|logits)\b[^\n]{0,40} (?:is|are|contains?) (?:nan|non-?finite))",
            r"(?:NaN|nan)s? (?:detected|found|encountered)|손실[^\n]{0,20}(?:NaN|nan|무한)",
        ),
        signs=(
            r"(?i:\b(?:loss|gradients?|grad_norm|weights)\b[^\n]{0,80}\b(?:nans?|non-?finite|not finite|infinite)\b)",
            r"(?i:\b(?:nans?|non-?finite|infinite)\b[^\n]{0,60}\b(?:loss|gradients?|grad_norm|weights|activations?)\b)",
        ),
        said=(
            (
                r"(?![\s|>]|raise\b|if\b)(?i:(?=.{0,200}\b(?:\w+_)?(?:loss|grad\w*|weights|parameters)\b)"
                r"(?=.{0,200}\b(?:nan|inf|infinite|infinity|non-?finite|not finite)\b)"
                r"(?=.{0,200}(?:stop|abort|exit|terminat|halt|quit|ending|give|giving)))"
            ),
        ),
    ),
    Row(
        "checkpoint_mismatch",
        proofs=(
            r"Error\(s\) in loading state_dict|(?:Missing|Unexpected) key\(s\) in state_dict",
            r"size mismatch for [\w.]+: copying a param",
            r"loaded state dict (?:contains a parameter group|has a different number of parameter groups)",
            r"(?:Tensor name|Key) \S+ not found in checkpoint|Assign requires shapes of both tensors to match",
            r"tensor \S+ not found in checkpoint",
            r"[Cc]heckpoint[^\n]{0,80}(?:does not match|doesn't match|mismatch|incompatible)",
            r"Missing key in checkpoint state_dict|ignore_mismatched_sizes",
            r"User-requested and stored (?:tree|pytree)",
            r"[Tt]he (?:dicts|target dict keys)[^\n]{0,40}(?:do not match|and state dict keys)",
            r"Unable to (?:synchronously )?open object \(object '\S{1,200}' doesn't exist",
            r"Trying to set a tensor of shape [^\n]{0,200}this looks incorrect",
            r"[Ll]ayer count mismatch when loading weights|DP world size of \d+ but the current",
            r"[Uu]nexpected (?:optimizer|zero) .{0,40}(?:state|world size)",
            r"saved with (?:world size|DP world size)",
        ),
    ),
    Row(
        "corrupt_checkpoint",
        types="UnpicklingError",
        proofs=(
            r"PytorchStreamReader failed|failed finding central directory|invalid header or archive is corrupted",
            r"unexpected EOF, expected \d+ more bytes|pickle data was truncated|[Ii]nvalid load key",
            r"Weights only load failed|Ran out of input|Error while deserializing header",
            r"MetadataIncompleteBuffer|HeaderTooLarge|InvalidHeader",
            r"[Uu]nable to (?:synchronously )?open (?:file|object)(?![^\n]{0,300}No such file)",
            r"file signature not found|truncated file",
            r"^DataLossError: [^\n]{0,80}(?:sstable|checkpoint|checksum does not match|Unable to open table)",
            r"not a valid checkpoint|[Cc]heckpoint[^\n]{0,40}(?:corrupt|truncated|incomplete)",
            r"Unable to load weights from (?:pytorch )?checkpoint(?![^\n]{0,300}No such file)",
            r"^(?:EOFError|OSError: \[Errno 22\])[^\n]{0,80}\nraised in \S*torch/(?:_weights_only_un|serializ)",
        ),
    ),
    Row(
        "corrupt_data",
        types="UnidentifiedImageError DecompressionBombError BadZipFile BadGzipFile ArrowInvalid"
        " JSONDecodeError UnicodeDecodeError DatasetGenerationError LibsndfileError",
        proofs=(
            r"cannot identify image file|image file is truncated|broken data stream when reading image",
            r"Not a gzipped file|^DataLossError: (?:\{\{.{0,200}\}\} )?(?:corrupted|truncated) record",
            r"^ParserError: Error tokenizing(?![^\n]{0,80}out of memory)|Corrupt(?:ed)? JPEG",
            r"^ReadError: (?:not a gzip|file could not be opened|unexpected end)|Compressed file ended before",
            r"^error: Error -\d while decompressing|Truncated File Read|MDB_CORRUPTED",
            r"^ValueError: EOF: reading |the magic string is not correct|Failed to interpret file \S+ as a pickle",
        ),
    ),
    Row(
        "config_error",
        types="ConfigError ConfigKeyError ConfigTypeError MissingConfigException ConfigCompositionException"
        " ConfigAttributeError MissingMandatoryValue InterpolationKeyError"
        " InterpolationResolutionError OverrideParseException ValidationError DeepSpeedConfigError"
        " HydraException ScannerError ComposerError TOMLDecodeError DuplicateOptionError NoSectionError NoOptionError"
        " MissingSectionHeaderError ParsingError ConstructorError UsageError NoSuchOption BadParameter"
        " MisconfigurationException",
        proofs=(
            r"while (?:parsing|scanning) a [^\n]{0,60}|Could not override '|Key '\S+' is not in struct",
            r"Please correct the following DeepSpeed config values|is not in the [\w:]{1,40} registry",
            r"Check batch related parameters|Missing mandatory value|[Uu]nrecognized (?:arguments|configuration)",
            r"error: argument ",
        ),
        said=(
            r"\S{1,80}: error: (?:unrecognized arguments|argument|one of the arguments|ambiguous option)",
            r"\S{1,80}: error: the following arguments are required|Could not override '",
            r"Missing mandatory value: |You must specify '\S+', e\.g, ",
            r"Error: (?:No such option|Invalid value for|Missing (?:option|argument|parameter))",
        ),
    ),
    Row(
        "build_error",
        types="CompilationError PTXASError BackendCompilerFailed InductorError",
        proofs=(
            r"Error building extension|Error compiling objects for extension|ptxas (?:fatal|error)",
            r"Command '\['ninja'|PassManager::run failed|Failed to compile|CompilationError: at",
            r"mismatches the version that was used to compile|Failed to find C compiler|nvcc fatal",
        ),
        said=(
            r"nvcc fatal +: |ninja: build stopped: |FAILED: \S+\.o",
            r"[^\s:]{1,200}\.(?:c|cc|cpp|cxx|h|hpp):\d+:\d+: (?:fatal )?error: |[^\s:]{1,200}\.cuh?\(\d+\): error",
        ),
    ),
    Row(
        "syntax_error",
        types="SyntaxError IndentationError TabError",
    ),
    Row(
        "key_error",
        types="KeyError",
    ),
    Row(
        "assertion",
        types="AssertionError",
    ),
)

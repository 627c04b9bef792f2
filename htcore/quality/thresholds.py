"""Every threshold of the quality gate, with its reason. HU in Hounsfield units, lengths in mm, volumes in mL."""

from __future__ import annotations

VERSION = "1"
"""Changes whenever the gate would refuse other scans: scans prepared for a training are checked anew."""

# --- geometry -------------------------------------------------------------------------------------------------------
# A head needs about 20 slices of 7 mm; under 8 there is a sample of a scan.
MIN_SLICES = 8
# Early ischemic change is 2 to 6 HU: under thicker slices than 7.5 mm it drowns in partial volume.
MAX_THICKNESS_MM = 7.5
# A gap counts where a step is more than 1.5 times the slab's usual step and more than the slice is thick.
GAP_FACTOR = 1.5
# So many thicknesses apart, every second slice is missing; older protocols left gaps of up to three quarters.
SPARSE_FACTOR = 1.9
# Steps that differ by more than this are different spacings, less is rounding of positions.
SPACING_TOLERANCE_MM = 0.1
# Two slices nearer than this show the same place: no scanner steps by less than half a millimetre in a head.
DOUBLED_MM = 0.05
# Less than 1 degree is how a head is laid, not a gantry that was tilted.
MIN_TILT_DEG = 1.0
# Planes steeper than this are coronal or sagittal; gantries tilt up to 30 degrees.
MAX_TILT_DEG = 45.0
# A head and neck is under 400 mm long: slices that span more show a body, or their positions are wrong.
MAX_SPAN_MM = 600.0

# --- what is in the picture -----------------------------------------------------------------------------------------
# Skull bone is 300 HU and more; brain, fresh blood and calcified plexus with partial volume stay below.
BONE_HU = 300.0
# Air is -1000; -500 lies halfway to soft tissue, so partial volume falls evenly on both sides.
BODY_HU = -500.0
# A whole head holds 8 to 20% bone; a skull-stripped brain 0.
MIN_BONE_FRACTION = 0.02
# More bone than this is no head: bone windows taken for HU, a phantom, a spine in metal.
MAX_BONE_FRACTION = 0.5
# Adult heads are 13 to 17 cm wide and 17 to 21 cm long; tilt, ears and a cut field of view widen the limits.
MIN_EXTENT_MM, MAX_EXTENT_MM = 100.0, 260.0
# A slice through the brain shows at least a 5 cm disk of it.
BRAIN_SLICE_MM2 = 2000.0
# A quarter of a small adult brain: less tissue enclosed by bone is no skull around a brain.
MIN_BRAIN_ML = 250.0
# The cerebrum is 10 to 12 cm high: under 60 mm half of it is missing, under 90 mm a part.
MIN_COVERAGE_MM, GOOD_COVERAGE_MM = 60.0, 90.0

# --- values ---------------------------------------------------------------------------------------------------------
# Brain is 25 to 41 HU, old infarct and atrophy pull the median down, dense blood up.
MIN_BRAIN_HU, MAX_BRAIN_HU = 10.0, 60.0
# Air reads -1000; older scanners clip at -1024 and noise adds some.
AIR_HU = -800.0
# Brain tissue, without fat, air and bone: used for the median and the noise.
TISSUE_HU = (-20.0, 100.0)
# Pixel noise of a soft kernel is 3 to 5 HU at 5 mm and 8 to 12 at 1 mm; bone kernels exceed 20.
MAX_NOISE_HU = 18.0
# Noise left in a voxel of 1.6 mm by a slice of 3 mm or more is 1 to 4 HU. Grey and white matter are 5.5 HU apart: above
# 8 HU a radiologist no longer parts them, at 25 HU (more than brain is above fluid) nothing can be read.
WARN_NOISE_HU, REFUSE_NOISE_HU = 8.0, 25.0
# A picture that was windowed piles up at both ends: air and fat at the low one, bone at the high one. A head CT in HU
# has its lowest value in air, at -1000.
PLATEAU_LOW, PLATEAU_HIGH = 0.10, 0.005
# Early ischemic change is 2 to 6 HU: where neighbouring grey levels lie 3 HU apart or more it cannot be stored.
# Scanners store steps of 1 HU.
MAX_LEVEL_STEP_HU = 3.0
# Fewer values than this are a drawing or a mask; a CT of 12 bits holds a thousand and more.
MIN_LEVELS = 40
# The highest value that 12 bits can hold with the usual intercept is 3071: only metal reaches it, and metal never fills
# 2% of the pictures. Air that wrapped around does.
WRAPPED_HIGH_HU, MAX_HIGH_SHARE = 3000.0, 0.02
# Nothing inside a head is thinner than air: values far below -1024 with bone around are dense pixels that wrapped.
WRAPPED_LOW_HU, MIN_WRAPPED_ML = -1500.0, 0.05

# --- the grid on which blood, contrast agent and metal are looked for ------------------------------------------------
# Two pixels of a sinus wall; noise of 4 HU at 0.5 mm falls to 1 to 2 HU.
PIXEL_MM = 1.6
# Thinner slices are averaged up to about this.
SLICE_MM = 3.0
# The brain mask serves well at 3 mm (see ``htcore.brain``).
MASK_MM = 3.0
# A field of view beyond a head's gets coarser pixels, so that memory stays bounded.
MAX_PIXELS = 320
# Between fresh blood (under 100 HU) and bone blurred by partial volume.
SOLID_HU = 150.0
# Bone blurs into its neighbour pixel, and into the next slice where that slice is solid bone at the same place.
BONE_MARGIN_MM = 1.6
BONE_ABOVE_MM = 3.2
# Beam hardening and partial volume brighten brain the more bone lies within about a centimetre.
BONE_REACH_MM = 10.0
# A flat skull 7 mm thick fills 15% of what lies around a place 7 mm away.
NEAR_BONE = 0.15

# --- acute blood ----------------------------------------------------------------------------------------------------
# Clotted blood is 50 to 90 HU against 37 to 41 of grey matter: 12 HU above what this scan shows at places with as much
# bone around is more than grey matter, a dense tumour's 5 to 8 HU, or noise.
BLOOD_EXCESS_HU = 12.0
# Excess is counted as millilitres of a clot 25 HU above brain (65 HU), so that a faint large bleed and a small dense
# one weigh alike. A dense middle cerebral artery (0.4 mL in all) stays below 0.3 mL, as partial volume thins it.
CLOT_EXCESS_HU = 25.0
MIN_BLOOD_ML = 0.35
# Where the middle cerebral arteries run (within 45 mm of the midline, in the front half, 60 to 100 mm below the vertex)
# a wide dense one, 5 mm across and 25 mm long, comes to 0.5 mL.
ARTERY_OFF_MIDLINE_MM, ARTERY_FRONT, ARTERY_BELOW_VERTEX_MM = 45.0, (0.25, 0.55), (60.0, 100.0)
MIN_ARTERY_ML = 0.7
# Choroid, pineal and basal ganglia calcify above 110 HU, blood hardly reaches 90: what lies this near is blur.
CALCIUM_HU, CALCIUM_MARGIN_MM = 110.0, 4.8
# In thick slices calcium is diluted below 110 HU. It is small and has a peak; a bleed as small as that has none.
SMALL_CALCIUM_ML, CALCIUM_PEAK_HU = 0.8, 30.0
# The basal ganglia (8 to 32 mm from the midline, amid the brain) calcify on both sides at once, up to 2 mL each and
# sometimes under 110 HU; a bleed into both of them at the same height would be a rare chance.
GANGLIA_OFF_MIDLINE_MM, GANGLIA_BACK, GANGLIA_ML = (8.0, 32.0), (0.3, 0.58), 2.0
MIRROR_MM = 6.0
# On one side alone, calcium of 10 mm across with its blur comes to 0.9 mL: with a peak it is calcium up to here.
GANGLIA_ONE_SIDE_ML = 1.2
# Under the skull: a film is averaged over the first 5.5 mm, in which 8 HU above the usual rim is a clot of 2 mm.
RIM_MM = 5.5
RIM_EXCESS_HU = 8.0
# A rim is bright here and there: less than 0.5 mL of it, a film of 2 mm over 16 × 16 mm, is no finding.
MIN_RIM_ML = 0.5
# Near bone, the sagittal sinus runs within 12 mm of the midline, but for the low forehead where it starts as a thread;
# the transverse sinuses and their confluence run in the back third, 60 to 115 mm below the vertex. Dense blood of 55 to
# 70 HU is normal there. All sinuses together hold about 12 mL, of which half lies further from bone than its blur; the
# most that one dense piece of them came to in simulated heads is 6.2 mL.
SINUS_DEPTH_MM, SINUS_MIDLINE_MM = 12.0, 12.0
SINUS_FOREHEAD, SINUS_FOREHEAD_BELOW_MM = 0.3, 50.0
SINUS_BACK, SINUS_BELOW_VERTEX_MM = 0.62, (60.0, 115.0)
MIN_SINUS_ML = 7.0
# Falx, straight sinus and great vein lie within 5 mm of the midline in the back half, up to 3 mL of dense blood in all.
FALX_MM, FALX_BACK, MIN_FALX_ML = 5.0, 0.5, 3.0
# The skull base hardens the beam and mixes with brain: a rim counts above it, and a clot there must be larger.
BASE_BELOW_VERTEX_MM = 80.0
MIN_BASE_ML = 1.0

# --- contrast agent -------------------------------------------------------------------------------------------------
# Blood without contrast agent stays below 75 HU even when thick; enhanced vessels exceed 100 HU. Vessels of more than
# 700 HU would be bone.
VESSEL_HU = (90.0, 700.0)
# Arteries in the middle of the head: this far from bone in the slice, with hardly any bone around.
VESSEL_MARGIN_MM, VESSEL_BONE_NEARBY = 4.8, 0.07
# Vessels are long, calcified plexus, pineal and ganglia under 15 mm. A falx can ossify: one piece alone is no proof.
MIN_VESSEL_MM, MIN_VESSEL_ML, MIN_VESSELS = 15.0, 0.15, 2
# One piece longer than this is more than an ossified falx usually shows: a warning.
LONG_VESSEL_MM, LONG_VESSEL_ML = 40.0, 0.5
# The sagittal sinus against brain beside it, under the same bone: 10 to 28 HU without contrast agent (55 to 65 HU in
# thick blood), 50 HU and more with it.
SINUS_CONTRAST_HU = 38.0

# --- metal ----------------------------------------------------------------------------------------------------------
# Dense bone reaches 2000 HU, enamel 2800; clips, coils and fillings saturate at 3071.
METAL_HU = 2500.0
# A clip is 10 mm3 and more; fewer pixels are noise on the petrous bone.
MIN_METAL_MM3 = 8.0

# --- declared by the file -------------------------------------------------------------------------------------------
# The model has been made for adults; skulls and strokes of children differ.
ADULT_YEARS = 18.0

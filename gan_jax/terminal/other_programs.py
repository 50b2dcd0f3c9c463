"""The words of neighboring programs, Real-ESRGAN, BasicSR, torch and Lightning scripts, and what does the same here.

Those of pytorch-CycleGAN-and-pix2pix, whose command lines run as they stand, are in `recipes.pytorch_compat`.
"""

from collections.abc import Container

__all__ = ["hint", "verb"]
__dir__ = __all__.copy

# Flags, the flag of ours if a command has one, and what to do where it has none, or whatever it has.
_WORDS: tuple[tuple[str, str | None, str], ...] = (
    ("--amp --use_amp --fp16 --half --bf16 --mixed_precision --precision", "--dtype", "give --dtype bfloat16"),
    (
        "--fp32",
        None,
        "arithmetic is float32 unless a recipe's --dtype or a generator's file says otherwise: leave it out",
    ),
    (
        "--resume --resume_from --resume_from_checkpoint --auto_resume --continue_train --restart --ckpt_path",
        None,
        "the same command goes on where a run stopped: leave it out",
    ),
    ("--opt -opt --cfg --yaml --conf", "--print_freq", "give --config FILE.toml, whose lines are flag = value"),
    (
        "--config --opt -opt --cfg --yaml --conf",
        None,
        "flags say everything, and config.json in a run's folder keeps them",
    ),
    (
        "--workers --num_workers --n_workers --nworkers --n_cpu --num_cpus -j --threads",
        "--num_threads",
        "give --num_threads N",
    ),
    ("--epochs --num_epochs --max_epochs --nepoch --nepochs --epoch -e", "--n_epochs", "give --n_epochs N"),
    (
        "--iters --num_iters --max_iter --max_iters --max_steps --num_steps --steps --total_iters --iterations",
        "--total_iter",
        "give --total_iter N",
    ),
    ("--decay_epoch", "--n_epochs_decay", "give --n_epochs N and behind them --n_epochs_decay M"),
    ("--learning_rate --lr_g --lr_d --lrG --lrD --base_lr", "--lr", "give --lr, which is that of all networks"),
    ("--b1 --adam_beta1 --momentum", "--beta1", "give --beta1"),
    ("--b2 --adam_beta2", "--beta2", "give --beta2"),
    ("--bs --batch --batch_size_per_gpu --train_batch_size --imgs_per_gpu -b", "--batch_size", "give --batch_size N"),
    (
        "--data --data_dir --data_root --dataset --dataset_path --data_path --train_dir --root --dataset_name "
        "-i --input --inputs --test_path --source --input_dir --gt --gt_dir",
        "--dataroot",
        "give --dataroot FOLDER",
    ),
    ("--val_interval --eval_freq --eval_interval --sample_interval --sample_freq", "--val_freq", "give --val_freq N"),
    ("--save_freq --save_interval --checkpoint_interval", "--save_latest_freq", "give --save_latest_freq N"),
    ("--log_freq --log_interval --log_every --log_every_n_steps", "--print_freq", "give --print_freq N"),
    (
        "--output_dir --out_dir --outdir --save_dir --log_dir --logdir --exp_dir --work_dir --checkpoint_dir "
        "-o --output --outputs --out --save_path",
        "--checkpoints_dir",
        "give --checkpoints_dir FOLDER, below which the run has one called --name",
    ),
    (
        "--exp_name --exp --experiment --experiment_name --run_name --project_name --suffix -n --model_name",
        "--name",
        "give --name NAME",
    ),
    (
        "--pretrained --pretrain --pretrain_network_g --load --checkpoint --weights --init_from --model_path --ckpt",
        "--init_generator",
        "give --init_generator FILE",
    ),
    ("--pretrain_network_d", "--init_critic", "give --init_critic FILE"),
    ("--image_size --img_size --imsize --img_height --img_width --imageSize --resolution", "--size", "give --size N"),
    (
        "--image_size --img_size --crop --patch_size --cropsize --img_height --img_width",
        "--crop_size",
        "give --crop_size N",
    ),
    (
        "--patch_size --crop_size --hr_crop_size --cropsize",
        "--gt_size",
        "give --gt_size N, the side in high resolution",
    ),
    ("--upscale --upscale_factor --up_scale --sr_factor", "--scale", "give --scale N"),
    ("--channels --img_channels --nc", "--output_nc", "give --output_nc 1 or 3"),
    ("--latent_dim --z_dim --latent_size --nz", "--nz", "give --nz N"),
    ("--random_seed --manual_seed --manualSeed", "--seed", "give --seed N"),
    ("--ema --use_ema --ema_rate", "--ema_decay", "give --ema_decay 0.999 for instance"),
    ("--lambda_gan --lambda_adv --adv_weight", "--gan_weight", "give --gan_weight W"),
    ("--lambda_pixel --l1_weight --lambda_l1", "--lambda_L1", "give --lambda_L1 W"),
    ("--lambda_cyc --lambda_cycle", "--lambda_A", "give --lambda_A W and --lambda_B W"),
    ("--lambda_id --lambda_idt", "--lambda_identity", "give --lambda_identity W"),
    ("--n_critics --critic_iters --d_iters --Diters --critic_steps", "--n_critic", "give --n_critic N"),
    ("--n_residual_blocks --num_blocks --n_blocks --n_resblocks", "--num_block", "give --num_block N"),
    ("--loss --gan_loss --gan_type --adv_loss", "--gan_mode", "give --gan_mode"),
    (
        "--wandb --use_wandb --tensorboard --use_tb_logger --tb --logger",
        None,
        "curves and samples are in the run's report.html",
    ),
    (
        "--gpus --gpu --gpu_ids --gpu_id -g --device --devices --cuda --accelerator --ngpu --num_gpus --ngpus",
        None,
        "CUDA_VISIBLE_DEVICES in the environment chooses devices, JAX_PLATFORMS=cpu the CPU",
    ),
    ("--no_cuda --cpu", None, "set JAX_PLATFORMS=cpu in the environment"),
    (
        "--launcher --distributed --ddp --strategy --world_size",
        None,
        "a run takes all devices of its process by itself",
    ),
    ("--compile --channels_last --cudnn_benchmark", None, "every step is compiled: leave it out"),
    # Real-ESRGAN's inference.
    ("-s --scale_factor", "--scale", "give --scale N"),
    ("-n", "--n", "give --n N"),
    ("--arch --network --model_type", "--architecture", "give --architecture NAME"),
    (
        "-i --input --inputs --test_path --source --input_dir",
        "--references",
        "the outputs are given without a flag, first",
    ),
    ("-o --output --out --target", "--references", "outputs and references are given without a flag, in this order"),
    ("-s", "--outscale", "give --outscale N"),
    ("-t", "--tile", "give --tile N"),
    (
        "--tile_pad --pre_pad --tile_overlap",
        "--tile",
        "tiles are given as much around them as the network sees: leave it out",
    ),
    ("--ext --save_ext --output_format", "--format", "give --format png, jpg, webp, tif or same"),
    ("-dn --denoise_strength", None, "gan-jax blend makes one generator of two, and --weight there is that strength"),
    ("--face_enhance", None, "nothing here does that"),
    ("--alpha_upsampler", None, "alpha is enlarged by the generator: leave it out"),
    ("--crop_borders --shave --border", "--crop_border", "give --crop_border N"),
    ("--test_y --only_test_y_channel --y", "--y_channel", "give --y_channel"),
    ("--metric --psnr --ssim --lpips", "--metrics", "give --metrics psnr,ssim,lpips"),
    ("--truncation --trunc --psi", None, "nothing here does that"),
    ("--num_samples --n_samples --nsamples --num_images --num", "--n", "give --n N"),
    ("--class --class_idx --classes --labels", "--label", "give --label NAME"),
    ("--verbose -v --debug", None, "--dry_run of a recipe shows the networks, and `gan-jax inspect` what a file is"),
)
# What a verb of gan-jax is given by its place, and a recipe is not.
_PLACES: tuple[tuple[str, str | None, str], ...] = (
    (
        "-i --input --inputs --test_path --source --input_dir",
        None,
        "inputs are given without a flag, in front of the output",
    ),
    (
        "-o --output --outputs --out --target --output_dir --out_dir --outdir --save_path --save_dir",
        None,
        "the output is given without a flag, as the last",
    ),
    (
        "-n --model_name --model_path --model --ckpt --weights --checkpoint --pretrained",
        None,
        "the generator's file or its run's folder comes first, without a flag",
    ),
    (
        "--gt --gt_dir --ref --reference --restored",
        None,
        "the folders are given without a flag: outputs, then references",
    ),
)
_VERBS = {"infer": "translate", "predict": "translate", "inference": "translate", "upscale": "translate",
          "enlarge": "translate", "generate": "sample", "eval": "evaluate", "score": "evaluate", "info": "inspect",
          "interpolate": "blend", "merge": "blend", "downscale": "shrink", "prepare": "data", "fit": "train",
          "pix2pix": "train pix2pix",
          "cyclegan": "train cyclegan", "srgan": "train srgan", "srresnet": "train srgan", "dcgan": "train dcgan",
          "wgan": "train wgan"}  # fmt: skip


def hint(flag: str, known: Container[str]) -> str | None:
    """What does here what another program's flag does there; None where nothing does."""
    table = _WORDS if "--dataroot" in known else (*_WORDS, *_PLACES)
    rows = [(ours, words) for theirs, ours, words in table if flag in theirs.split()]
    return next((words for ours, words in rows if ours is None or ours in known), None)


def verb(word: str) -> str | None:
    """The verb of gan-jax that does what another program's verb does; None where none does."""
    return _VERBS.get(word)

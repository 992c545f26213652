#!/usr/bin/env bash
# Real launchers and frameworks for tests/e2e/test_launchers.py and test_frameworks.py, in an environment of their own that shares torch and epochwatch with ours.
set -euo pipefail
cd "$(dirname "$0")/.."
env=.venv/launchers
make --no-print-directory .venv/.setup/test
if [ ! -x $env/bin/ray ]; then
  python=.venv/bin/python
  "$python" -m venv $env
  "$python" -c 'import site; print(*(f"import site; site.addsitedir({p!r})" for p in site.getsitepackages()), sep="\n")' \
    >"$(echo $env/lib/python*/site-packages)/shared.pth"
  torch=$("$python" -c 'import importlib.metadata as m; print("torch==" + m.version("torch").split("+")[0])')
  install="$env/bin/python -m pip install --quiet"
  { $install "$torch" accelerate lightning 'ray[train,tune]' transformers xgboost lightgbm optuna keras mmengine \
      pytorch-ignite hydra-core stable-baselines3 'jax[cpu]' flax optax tqdm rich \
      fastprogress fastcore fasttransform fastdownload cloudpickle plum-dispatch pandas matplotlib scikit-learn &&
    $install --no-deps fastai  # without torchvision, which must be of the same make as torch
  } >/dev/null 2>&1 || {
    echo "the launchers cannot be installed here: their tests will be skipped"
    rm -rf $env
  }
fi
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
for package in mpich openmpi-bin; do
  dpkg -s $package >/dev/null 2>&1 || missing+=("$package")
done
[ -z "${missing:-}" ] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"; } >/dev/null

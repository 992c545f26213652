#!/usr/bin/env bash
# What does not agree with the shared torch of tests/launchers.sh: Ultralytics needs torchvision, and so a torch of the same make.
# And the oldest versions that the integrations are made for. Gigabytes: not a part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
make_env() {
  env=.venv/$1; shift
  [ -e "$env/.done" ] && return
  .venv/bin/python -m venv --clear "$env"
  "$env/bin/python" -m pip install --quiet "$@"
  "$env/bin/python" -m pip install --quiet --no-deps --editable .
  touch "$env/.done"
}
make_env vision ultralytics torch torchvision cloudpickle
make_env oldest "$(grep -o 'torch==[0-9.]*' pyproject.toml)" 'numpy<2' 'setuptools<80' lightning==2.1.0 transformers==4.41.0 accelerate==0.30.0 \
  xgboost==1.7.6 lightgbm==4.0.0 optuna==3.4.0 keras==3.0.5 pytorch-ignite==0.4.12 stable-baselines3==2.1.0 hydra-core==1.3.0

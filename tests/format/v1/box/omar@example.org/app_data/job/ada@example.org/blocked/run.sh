#!/bin/bash
exec "${SYFT_JOB_PYTHON:-python3}" code/main.py

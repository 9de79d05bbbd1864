# Files that are vouched for and hold a row that is no probabilities: exit code 4 that names the file, the row and what to do, from
# everyone who judges by it; nothing is published.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 320/; s/evaluations = 3/evaluations = 2/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
"$tenfold" preprocess tiny.cfg --run whole 2>log
"$tenfold" train tiny.cfg --run whole 2>log || { cat log; exit 1; }
"$tenfold" predict tiny.cfg --run whole --round 0 2>log || { cat log; exit 1; }
cell=r0-f1-s32-x1
refused() { # TEXT VERB [options]: TEXT is a pattern
    want=$1 code=0
    shift
    timeout 100 "$tenfold" "$@" >log 2>&1 || code=$?
    [ $code = 4 ] && grep -q -- "$want" log && return
    echo "tenfold $*: exit code $code, wanted 4 and: $want"
    cat log
    exit 1
}
hurt() { # FOLDER FILE NAME VALUE: in a copy of the run; $row
    rm -rf hurt && cp -r whole hurt
    row=$("$TN_DAMAGE" hurt/$1 $2 $3 $4)
}

hurt train/$cell posteriors.h5 z nan
refused "hurt/train/$cell/posteriors.h5: row $row (.*\.jpg): the probability of [a-z]* is nan, not a number from 0 to 1: delete its folder" filter tiny.cfg --run hurt
hurt train/$cell posteriors.h5 z -0.5
refused "hurt/train/$cell/posteriors.h5: row $row (.*): the probability of [a-z]* is -0.5, not" filter tiny.cfg --run hurt
hurt train/$cell posteriors.h5 p 0
refused "hurt/train/$cell/posteriors.h5: row $row (.*): the probabilities sum to 0[.0-9]*, not to 1" filter tiny.cfg --run hurt --set self.method=confident
test ! -e hurt/filter/r1/DONE

hurt predict/$cell predictions.h5 p 0
refused "hurt/predict/$cell/predictions.h5: row [0-9]*: the probabilities sum to 0[.0-9]*, not to 1: delete its folder" reduce tiny.cfg --run hurt --set self.max_rounds=0
hurt predict/$cell predictions.h5 p inf
refused "hurt/predict/$cell/predictions.h5: row [0-9]*: the probability of class [0-2] is inf, not" reduce tiny.cfg --run hurt --set self.max_rounds=0
test ! -e hurt/reduce/DONE && test ! -e hurt/submission.csv

# what a model says is looked at before it is published
hurt train/$cell best.safetensors model.classifier.weight nan
rm -r hurt/predict
refused "hurt/predict/$cell/predictions.h5: row [0-9]*: the probability of class [0-2] is -\?nan, not a number from 0 to 1: the model is damaged" predict tiny.cfg --run hurt --round 0
test ! -e hurt/predict/$cell/predictions.h5 && test ! -e hurt/predict/$cell/DONE

# a checkpoint in mid-way
rm -r whole/train/$cell
last_checkpoint whole/train/$cell "$tenfold" train tiny.cfg --run whole --folds 1
hurt train/$cell checkpoint.safetensors z 0
refused "hurt/train/$cell/checkpoint.safetensors: row [0-9]* (.*): the probabilities sum to 0[.0-9]*, not to 1: delete it" train tiny.cfg --run hurt --folds 1
hurt train/$cell checkpoint.safetensors top 3
refused "hurt/train/$cell/checkpoint.safetensors: top $row: 3 is not a class from 0 to 2" train tiny.cfg --run hurt --folds 1

# the judgement of a search
cat >>tiny.cfg <<'CFG'
search: { trials = 2; folds = [ 0, 1 ]; rungs = [ 64 ]; space = ( { key = "train.learning_rate"; choice = ( 0.004, 0.008 ); } ); };
CFG
"$tenfold" run tiny.cfg --run search >log 2>&1 || { cat log; exit 1; }
rm -r search/search/judge
folder=$(ls -d search/search/t*/train/r0-f2-s32-x1 | head -n 1)
row=$("$TN_DAMAGE" $folder posteriors.h5 p 0)
refused "$folder/posteriors.h5: row $row (.*): the probabilities sum to 0[.0-9]*, not to 1" rank tiny.cfg --run search --rung 1
test ! -e search/search/judge/DONE

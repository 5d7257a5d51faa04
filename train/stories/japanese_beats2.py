"""How each beat of the plots is told in Japanese, second half."""
# ruff: noqa: E501 - tables read best with one entry on a line

from lilm.train.stories.japanese_beats import Beats

BEATS: Beats = {
    # A new friend.
    "meet_new": (
        "ある日、{place}の近くに{friend_full}がひっこして<くる>。", "{place}で、{hero}は知らない{friend_kind}を<見る>。",
        "{hero}が{place}へ行くと、はじめて見る{friend_kind}が<いる>。", "その日、{hero}たちの村に、新しい{friend_kind}がやって<くる>。",
    ),
    "meet_shy": (
        "その{friend_kind}は、木のかげで小さくなって<いる>。", "その{friend_kind}は、さびしそうに空を見て<いる>。",
        "その{friend_kind}は、ひとりで{thing}を見て<いる>。", "その{friend_kind}ははずかしくて、何も<言う:neg>。",
    ),
    "meet_hello": (
        "「こんにちは。」と{hero}は<言う>。", "{hero}はにっこり笑って、「いっしょに遊ぼう。」と<言う>。",
        "{hero}はどきどきしながら、「友だちになろう。」と<言う>。", "「{hero_i}は{hero_own}。よろしくね。」と{hero}は<言う>。",
    ),
    "meet_name": (
        "「{friend_i}の名前は{friend_own}。」と、その{friend_kind}は<答える>。",
        "「{friend_i}は{friend_own}。きのうここに来たの。」と、その{friend_kind}は小さな声で<言う>。",
        "「ありがとう。{friend_i}は{friend_own}だよ。」と、その{friend_kind}は<言う>。",
    ),
    "meet_play": (
        "ふたりは{together}。", "{hero}と{friend}は、{along}で{together}。", "ふたりはすぐになかよくなって、{together}。",
        "{hero}は{friend}に{thing}を<見せる>。それから、ふたりは{together}。",
    ),
    "meet_like": (
        "「{friend_i}は{food}が好き。」「{hero_i}もだよ。」", "{friend}は{hobby}のがじょうず<だ>。", "「{friend}といると楽しいな。」と{hero}は<思う>。",
        "ふたりは{food}を{food_n}買って、半分に<する>。",
    ),
    "meet_end": (
        "「あしたも遊ぼうね。」とふたりはやくそく<する>。", "{hero}に新しい友だちが<できる>。",
        "夕方、ふたりは手をふって<帰る>。", "もう{friend}は<さびしい:neg>。", "それから毎日、ふたりは{place}で<会う>。",
        "「ここに来て、よかったな。」と{friend}は<笑う>。",
    ),
    # A skill is learnt.
    "learn_wish": (
        "{hero}は{skill_wish}と思って<いる>。", "「{skill_wish}な。」と{hero}は<言う>。", "友だちを見て、{hero}も{skill_wish}と<思う>。",
        "ある日、{hero}は{skill_wish}と<思う>。",
    ),
    "learn_try": (
        "{hero}はひとりでやって<みる>。{skill_fail}", "朝から何度も<がんばる>。{skill_fail}", "{hero}はさっそく<はじめる>。{skill_fail}",
        "{place}で、{hero}はれんしゅうを<はじめる>。{skill_fail}",
    ),
    "learn_sad": (
        "「{hero_i}にはできないよ。」と{hero}は<言う>。", "{hero}はがっかりして、地面に<すわる>。", "{hero}はくやしくて、なみだが<出る>。",
        "「もうやめようかな。」と{hero}は<思う>。",
    ),
    "learn_tip": (
        "それを見た{friend_full}が<言う>。{skill_tip}", "そこへ、{friend_full}が<くる>。{skill_tip}",
        "{friend_full}がやさしく教えて<くれる>。{skill_tip}", "{skill_tip}と、{friend_full}が<言う>。",
    ),
    "learn_practise": (
        "{hero}は毎日れんしゅう<する>。", "{hero}は{friend}といっしょに、何度もれんしゅう<する>。", "雨の日も、風の日も、{hero}は<がんばる>。",
        "次の日も、その次の日も、ふたりはれんしゅう<する>。", "{hero}は{friend}の言うとおりにやって<みる>。",
    ),
    "learn_can": ("{skill_can}", "{skill_can}「できた。」と{hero}は<さけぶ>。", "そして、{skill_can}", "{skill_can}「すごいね。」と{friend}は<言う>。"),
    "learn_end": (
        "「{friend}のおかげだよ。」と{hero}は<言う>。", "ふたりはとびあがって<よろこぶ>。", "{hero}は、あきらめなければできることを<知る>。",
        "こんどは{hero}が、小さな子に教えて<あげる>。", "その日の{food}は、とくべつに<おいしい>。",
        "「あしたは{hero_i}が教えるね。」と{hero}は<笑う>。",
    ),
    # A present.
    "gift_day": (
        "もうすぐ、{friend_full}のたんじょう日<だ>。", "あしたは、{friend_full}のたんじょう日<だ>。",
        "{hero}には、{friend_full}という友だちが<いる>。きょうは{friend}のたんじょう日<だ>。",
        "{friend_full}のたんじょう日が近づいて<くる>。",
    ),
    "gift_think": (
        "「何をあげようかな。」と{hero}は<考える>。", "{hero}は{place}を歩きながら、おくりものを<考える>。", "{hero}はお金を少ししか持って<いる:neg>。",
        "「{food}がいいかな。{a_thing}がいいかな。」と{hero}は<考える>。",
    ),
    "gift_idea": (
        "{present_idea}と{hero}は<思う>。", "{present_idea}そう思って、{hero}はにっこり<する>。", "そのとき、よい考えが<うかぶ>。{present_idea}",
    ),
    "gift_make": ("{present_make}", "そこで、{present_make}", "{present_make}「よろこんでくれるかな。」"),
    "gift_give": (
        "{hero}は{friend}の家へ行って、{present_name}を<わたす>。", "「おめでとう、{friend}。」と{hero}は{present_name}を<わたす>。",
        "「これは{hero_i}からのおくりものだよ。」と{hero}は<言う>。", "{hero}は{present_name}をきれいな紙でつつんで、{friend}に<わたす>。",
    ),
    "gift_joy": (
        "「うれしい。ほんとうにありがとう。」と{friend}は<言う>。", "{friend}は{present_name}を見て、とびあがって<よろこぶ>。",
        "「こんなにすてきな{present_name}ははじめて。」と{friend}は<言う>。", "{friend}の目がきらきらと<光る>。「ありがとう、{hero}。」",
    ),
    "gift_end": (
        "ふたりは{food}を食べて、おいわいを<する>。", "{hero}も、とてもうれしく<なる>。", "{friend}の笑顔を見て、{hero}の心もあたたかく<なる>。",
        "それからふたりは{together}。", "{friend}はその日を、ずっと<忘れる:neg>。",
    ),
    # A seed.
    "plant_seed": (
        "{hero}は{friend_full}から、{plant_name}のたねを<もらう>。「庭にまいてごらん。」と{friend}は<言う>。",
        "ある日、{hero}は{friend_full}といっしょに、庭に{plant_name}のたねを<まく>。",
        "{hero}は{plant_name}を育てたいと<思う>。そこで、{friend_full}とたねを{seeds_n}<まく>。",
    ),
    "plant_water": (
        "{hero}は毎朝、水を<あげる>。", "{hero}は水をあげて、「早く大きくなあれ。」と<言う>。", "毎日、{hero}はたねに歌を歌って<あげる>。",
        "朝も夕方も、{hero}は庭を見に<行く>。",
    ),
    "plant_wait": (
        "けれども、芽はなかなか<出る:neg>。", "三日たっても、何も<出る:neg>。", "「どうして芽が出ないのかな。」と{hero}は<言う>。",
        "{hero}は待つのがいやに<なる>。",
    ),
    "plant_friend": (
        "「土の中で、ゆっくり大きくなっているよ。」と{friend}は<言う>。", "「あわてないで、もう少し待とう。」と{friend}は<言う>。",
        "「お日さまと水があれば、だいじょうぶだよ。」と{friend}は<笑う>。", "{friend}は{hero}と{food}を食べながら、いっしょに<待つ>。",
    ),
    "plant_sprout": (
        "ある朝、小さな緑の芽が<出る>。", "雨がふった次の日、土の中からかわいい芽が<出る>。", "「芽が出たよ。」と{hero}は<さけぶ>。",
        "とうとう、緑の芽が{seeds_n}<出る>。",
    ),
    "plant_grow": ("{plant_grow}", "芽は少しずつ大きく<なる>。{plant_grow}", "{plant_grow}「すごいね。」とふたりは<言う>。"),
    "plant_end": (
        "{hero}と{friend}は、庭でいつまでもそれをながめて<いる>。", "「待っていてよかったね。」と{hero}は<言う>。",
        "{hero}はそれを、村のみんなに<見せる>。", "「来年もいっしょに育てよう。」とふたりはやくそく<する>。", "ふたりはうれしくて、庭で<おどる>。",
    ),
    # Telling the truth.
    "sorry_lend": (
        "{hero}は{friend_full}に、大切な{mishap_name}をかりて<いる>。", "ある日、{hero}は{friend_full}の家で{mishap_name}を<見る>。「使ってもいいよ。」と{friend}は<言う>。",
        "{friend_full}は、{hero}に{mishap_name}をかして<くれる>。", "{hero}は{friend_full}の家で遊んで<いる>。そこには、{friend}の{mishap_name}が<ある>。",
    ),
    "sorry_break": ("ところが、{mishap_broke}", "そのとき、{mishap_broke}", "{friend}がいない間に、{mishap_broke}", "{mishap_broke}{hero}はまっ青に<なる>。"),
    "sorry_hide": (
        "「おこられるかもしれない。」と{hero}は<思う>。", "{hero}はこわくなって、それを<かくす>。", "「どうしたらいいのかな。」と{hero}は<なく>。",
        "{hero}はだれにも言わずに、家に<帰る>。",
    ),
    "sorry_heart": (
        "けれども、心が石のように<重い>。", "その夜、{hero}はなかなか<ねむれる:neg>。", "{food}を食べても、少しも<おいしい:neg>。",
        "「うそはつきたくない。」と{hero}は<考える>。",
    ),
    "sorry_tell": (
        "次の日、{hero}は{friend}に<言う>。「ごめんなさい。{hero_i}がこわしたの。」", "{hero}は勇気を出して、{friend}にあやまりに<行く>。「ほんとうにごめんね。」",
        "「{friend}の{mishap_name}をだめにしてしまったの。ごめんね。」と{hero}は<言う>。",
    ),
    "sorry_forgive": (
        "「話してくれて、ありがとう。」と{friend}は<言う>。", "{friend}は少し<考える>。それから、「もういいよ。」と<笑う>。", "「いいよ。わざとではないもの。」と{friend}は<言う>。",
        "{friend}は{hero}の手をとって、「だいじょうぶだよ。」と<言う>。",
    ),
    "sorry_mend": ("{mishap_mend}", "それから、{mishap_mend}", "{mishap_mend}「これでいいね。」と{friend}は<言う>。"),
    "sorry_end": (
        "{hero}の心は、すっかり軽く<なる>。", "ほんとうのことを言って、{hero}はほっと<する>。", "ふたりは前よりもっとなかよく<なる>。",
        "そのあと、ふたりは{food}を<食べる>。", "「{hero}は正直だね。」と{friend}は<笑う>。",
    ),
    # An errand.
    "errand_ask": (
        "「{food}を{food_n}と、{food2}を{food2_n}買ってきて。」と、お母さんが{hero}に<言う>。",
        "お母さんは{hero}に、おつかいを<たのむ>。「{food}を{food_n}と、{food2}を{food2_n}おねがいね。」",
        "{hero}は、はじめてひとりでおつかいに<行く>。買うものは、{food}を{food_n}と{food2}を{food2_n}<だ>。",
    ),
    "errand_way": (
        "{hero}はかごを持って、{place}の近くの道を<歩く>。", "「{food}が{food_n}、{food2}が{food2_n}。」と歌いながら、{hero}は<歩く>。",
        "{hero}は{colour}かばんを持って、元気に家を<出る>。", "{hero}は{place}を通って、店へ<いそぐ>。",
    ),
    "errand_meet": (
        "とちゅうで、{hero}は{friend_full}に<会う>。ふたりは少し話して、手を<ふる>。", "道で{friend_full}が<言う>。「どこへ行くの。」「おつかいだよ。」",
        "{friend_full}が「いっしょに遊ぼう。」と<言う>。「今はおつかいだから、あとでね。」と{hero}は<答える>。",
    ),
    "errand_forget": (
        "ところが、店に着くと、何を買うのか忘れて<しまう>。", "店の前で、{hero}は<立ちどまる>。「ええと、何だったかな。」",
        "「いらっしゃい。何にしますか。」と店の人が<聞く>。{hero}は、すぐには<答えられる:neg>。",
    ),
    "errand_recall": (
        "{hero}は目をとじて、お母さんの言葉を<思い出す>。", "{hero}はゆっくり<考える>。「そうだ、{food}だ。」", "手を見ると、お母さんのメモが<ある>。",
        "そのとき、店の{food}が目に<入る>。「あっ、これだ。」",
    ),
    "errand_buy": (
        "「{food}を{food_n}と、{food2}を{food2_n}ください。」と{hero}は大きな声で<言う>。", "{hero}はちゃんと、{food}を{food_n}と{food2}を{food2_n}<買う>。",
        "「{food}を{food_n}ください。それから、{food2}も{food2_n}ください。」",
    ),
    "errand_home": (
        "家に帰ると、お母さんは「よくできたね。」と<ほめる>。", "「ひとりでできたよ。」と{hero}は<言う>。お母さんはとても<よろこぶ>。",
        "「ありがとう。助かったわ。」とお母さんは<笑う>。{hero}はうれしくて、むねをはって<いる>。", "その夜、みんなで{food}を<食べる>。{hero}はとてもうれしく<なる>。",
        "「はい、どうぞ。」と{hero}はかごを<わたす>。お母さんは{hero}の頭を<なでる>。",
    ),
    # A night without sleep.
    "night_bed": (
        "ある夜、{hero}はベッドに<入る>。", "{season}のある夜のこと<だ:now>。", "{hero}は友だちの家にとまることに<なる>。", "その夜、外はとても静か<だ>。",
    ),
    "night_wake": (
        "けれども、{hero}はなかなかねむく<なる:neg>。", "{hero}は夜中に、ふと目を<さます>。", "{hero}は目をとじて、ひつじを{sheep}まで<数える>。それでも<ねむれる:neg>。",
        "{hero}はあしたのことを考えて、どきどきして<いる>。",
    ),
    "night_go": (
        "「{hero_i}は、まだねむくないよ。」{hero}が言うと、{friend_full}もそっと<起きる>。", "{friend_full}が<言う>。「いっしょに外を見よう。」",
        "{hero}がまどを開けると、外に{friend_full}が<いる>。「ねむれないの。」と{friend}は<聞く>。",
    ),
    "night_see": ("{sight}", "ふたりが外を見ると、{sight}", "ふたりはまどのそばに<すわる>。{sight}"),
    "night_talk": (
        "{sight_say}と{hero}は<言う>。", "{sight_say}「うん、とてもきれいだね。」", "{sight_say}と{friend}は小さな声で<言う>。", "ふたりは{food}を食べながら、小さな声で<話す>。",
    ),
    "night_end": (
        "そのうちに、ふたりの目はとじて<しまう>。", "{hero}は安心して、ぐっすりと<ねむる>。「おやすみ、{hero}。」と{friend}は<言う>。", "「おやすみ。」とふたりは<言う>。そして、朝までぐっすり<ねむる>。",
        "その夜、{hero}は{goal}で遊ぶゆめを<見る>。", "朝になると、{hero}は「よくねたよ。」と<笑う>。",
    ),
    # A race.
    "race_dare": (
        "「{goal}まで、かけっこをしよう。」と{friend_full}が<言う>。", "{hero}と{friend_full}は、{goal}まで走ることに<する>。",
        "「どちらが早いかな。」と、{hero}は{friend_full}に<言う>。ふたりは{goal}まで走ることに<する>。", "「{goal}まできょうそうしよう。」と、{hero}は{friend_full}に<言う>。",
    ),
    "race_start": (
        "「よういどん。」の声で、ふたりは<走りだす>。", "ふたりは{place}から、いっしょに<走りだす>。", "はじめは{friend}が前を走って<いる>。", "{hero}はいっしょうけんめい<走る>。",
    ),
    "race_fall": (
        "ところが、{along}で、{friend}が<ころぶ>。", "とちゅうで、{friend}は石につまずいて<しまう>。", "もう少しというところで、{friend}が足をいためて<しまう>。", "「あっ。」とさけんで、{friend}が道に<ころぶ>。",
    ),
    "race_stop": (
        "{hero}はすぐに<とまる>。", "{hero}は少しまよってから、うしろを<ふりかえる>。", "「勝つことより、{friend}が大切だ。」と{hero}は<思う>。", "{hero}は走るのをやめて、{friend}のところへ<もどる>。",
    ),
    "race_help": (
        "「だいじょうぶ。」と{hero}は手を<出す>。", "{hero}は{friend}のひざを水で<あらう>。", "「{hero_i}の肩につかまって。」と{hero}は<言う>。", "「いっしょに行こう。」と{hero}は{friend}をやさしく<おこす>。",
    ),
    "race_finish": (
        "ふたりは手をつないで、{goal}まで<歩く>。", "ふたりはならんで、{goal}に<着く>。", "ゆっくり歩いて、ふたりはいっしょに{goal}に<着く>。",
    ),
    "race_end": (
        "「ふたりとも一番だね。」と{friend}は<笑う>。", "みんなが大きな声で、ふたりを<ほめる>。", "「ありがとう、{hero}。」と{friend}は<言う>。ふたりは{food}を<食べる>。",
        "勝つよりも、ずっとうれしい気持ち<だ>。", "{goal_along}で食べる{food}は、とても<おいしい>。",
    ),
    # A lost child goes home.
    "baby_find": (
        "{place}で、{hero}は小さな{baby}を<見つける>。", "ある日、{spot}で、小さな{baby}が{cry}とないて<いる>。", "{hero}が{along}を歩いていると、{cry}と声が<する>。それは小さな{baby}<だ>。",
    ),
    "baby_ask": (
        "「どうしたの。」と{hero}が聞くと、「お母さんがいないの。」と{baby}は<言う>。", "「お母さんとはぐれたの。」と{baby}は<答える>。", "{baby}はまいごになって、ふるえて<いる>。「だいじょうぶだよ。」と{hero}は<言う>。",
    ),
    "baby_join": (
        "{hero}は{friend_full}を<よぶ>。「いっしょに{parent}をさがそう。」", "{friend_full}も、いっしょにさがすことに<する>。", "{hero}は{baby}に{food}を少し<あげる>。{baby}はもう<なく:neg>。",
    ),
    "baby_clue": ("{clue}{clue_say}と{baby}は<言う>。", "しばらく行くと、{clue}{clue_say}", "そのとき、{clue}{clue_say}と{baby}は<よろこぶ>。"),
    "baby_walk": ("{hero}は{baby}といっしょに、そちらへ<歩く>。", "{hero}は{baby}の手を引いて、{goal}の方へ<歩く>。", "道は遠いけれど、{hero}はずっと{baby}のそばに<いる>。"),
    "baby_home": (
        "{goal_along}に、{parent}が<いる>。{baby}は走って、お母さんに<だきつく>。", "すると、{parent}が向こうから走って<くる>。「お母さん。」と{baby}は<さけぶ>。", "{goal_along}で、とうとう{parent}が<見つかる>。",
    ),
    "baby_thanks": (
        "「ほんとうにありがとう。」と{parent}は<言う>。", "{parent}はお礼に、{hero}に{food2}を{food2_n}<くれる>。", "「やさしい{hero}、ありがとう。」と{baby}は<言う>。",
    ),
    "baby_end": (
        "{hero}は手をふって、家へ<帰る>。", "「また遊びに来てね。」と{baby}は<言う>。", "{hero}も、早くお母さんに会いたく<なる>。", "それから{hero}は、ときどき{baby}と<遊ぶ>。", "{hero}の心は、ぽかぽかとあたたかく<なる>。",
    ),
    # Somebody else's thing.
    "honest_find": (
        "ある日、{hero}は{spot}で{thing}を<見つける>。", "{along}を歩いていると、{spot}に{thing}が落ちて<いる>。", "{hero}が{place}で遊んでいると、{spot}で何かが<光る>。それは{thing}<だ>。",
    ),
    "honest_want": (
        "「なんてきれいな{thing}だろう。」と{hero}は<思う>。", "{hero}は前から、{a_thing}がほしいと思って<いる>。", "「これを{hero_i}のものにしたいな。」と{hero}は<思う>。", "{hero}は{thing}をそっと手に<取る>。",
    ),
    "honest_think": (
        "でも、「だれかがさがしているかもしれない。」と<考える>。", "けれども、これは{hero}のもの<だ:neg>。", "「なくした人は、こまっているだろうな。」と{hero}は<考える>。",
    ),
    "honest_ask": (
        "{hero}は会う人みんなに<聞く>。「これはだれの{a_thing}ですか。」", "{hero}は{place}で、なくした人を<さがす>。", "{hero}は{thing}を持って、村へ<行く>。「だれか{a_thing}をなくしませんでしたか。」",
    ),
    "honest_owner": (
        "すると、{friend_full}が<言う>。「それは{friend_i}の{a_thing}だよ。」", "そこに、{friend_full}がなきながらやって<くる>。「{friend_i}の{a_thing}がないの。」", "{friend_full}が何かをさがして<いる>。「{thing}をなくしたの。」と{friend}は<言う>。",
    ),
    "honest_give": (
        "「はい、これだよ。」と{hero}は{thing}を<わたす>。", "{hero}はすぐに、{thing}を{friend}に<返す>。", "「よかったね。」と{hero}は{thing}を<返す>。",
    ),
    "honest_end": (
        "「ありがとう。これはおばあさんにもらったものなの。」と{friend}は<言う>。", "{friend}はお礼に、{food}を{food_n}<くれる>。", "ふたりは友だちになって、{together}。", "{friend}の笑顔を見て、{hero}はとてもうれしく<なる>。",
        "「{hero}は正直だね。」と{friend}は<言う>。ふたりは{food}を<食べる>。", "正直にしてよかったと、{hero}は<思う>。",
    ),
}  # fmt: skip
